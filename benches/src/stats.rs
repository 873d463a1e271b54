//! Medians and percentiles.

/// The median: of an even number of values, the mean of the two in the middle. `None` of no values.
///
/// ```
/// assert_eq!(benches::stats::median([3.0, 1.0, 2.0]), Some(2.0));
/// assert_eq!(benches::stats::median([4.0, 1.0]), Some(2.5));
/// assert_eq!(benches::stats::median([]), None);
/// ```
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The median of some values, the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// See [`median`].
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// How values are spread. `None` of no values.
///
/// ```
/// let spread = benches::stats::spread([3.0, 1.0, 2.5]).unwrap();
/// assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 3.0));
/// assert_eq!(benches::stats::spread([]), None);
/// ```
pub fn spread(values: impl IntoIterator<Item = f64> + Clone) -> Option<Spread> {
    Some(Spread {
        median: median(values.clone())?,
        min: values.clone().into_iter().reduce(f64::min)?,
        max: values.into_iter().reduce(f64::max)?,
    })
}

/// The smallest value that at least `share` (0 to 1) of all values do not exceed. `None` of no values.
///
/// ```
/// let mut delays: Vec<u64> = (1..=1000).rev().collect();
/// assert_eq!(benches::stats::percentile(&mut delays, 0.5), Some(500));
/// assert_eq!(benches::stats::percentile(&mut delays, 0.999), Some(999));
/// assert_eq!(benches::stats::percentile(&mut delays, 1.0), Some(1000));
/// ```
pub fn percentile<T: Ord + Copy>(values: &mut [T], share: f64) -> Option<T> {
    values.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank among values that fit into memory"
    )]
    let rank = (share.clamp(0.0, 1.0) * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}
