//! Images in files.
//!
//! # Terms
//! A store has a *directory*, and a file in it for each image: `<name>@<number>.image`, where the number (16 hexadecimal
//! digits) grows by one with each image of that name. The last `n` of each name are *kept*. A name is written with `%XX` for
//! bytes that are not ASCII letters, digits, `-`, `_` or `.` (and for a `.` at its beginning), so that any text is a name.
//!
//! # Saving, step by step
//! 1. The bytes are written to `<name>@<number>.tmp`, a new file.
//! 2. That file is synced: its bytes are on the disk.
//! 3. It is renamed to `<name>@<number>.image`. From here on a load finds it.
//! 4. The directory is synced: the new name is on the disk. `save` may return.
//! 5. Images beyond the last `n` are removed. One that cannot be is tried again with the next.
//!
//! A crash before 3 leaves a `.tmp`, which the next open removes; one between 3 and 4 leaves either the new image or not,
//! and nobody had been told of it. The image before is there until 5 in any case. So nothing that a `save` returned for is lost, and
//! there is no time at which a load could find less than a whole image: unless the disk lied, for which there are the
//! checksum and the image before.
//!
//! # One at a time
//! The directory has a file `lock`, which an open store holds locked (`flock`): two would overwrite each other's numbers. The
//! lock ends with the process, however that ends. Within the process each name has a lock of its own, so that syncs of different
//! names overlap.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Damaged, Loaded, Store, StoreError};
use crate::image::{DecodeError, Image, Limits};
use crate::microthread::blocking;

/// The longest name, as it is written in a file's name, which has 255 bytes at most.
const LONGEST: usize = 200;

/// The images of a name.
#[derive(Debug, Default)]
struct Images {
    /// Their numbers, oldest first.
    kept: Vec<u64>,
    /// The number of the next: never that of one before, damaged or not.
    next: u64,
}

impl Images {
    /// Notes that there is, or was, one of this number.
    fn seen(&mut self, number: u64) {
        self.next = self.next.max(number.saturating_add(1));
    }
}

type Shared = Arc<Mutex<Images>>;

/// Keeps images in files of a directory. See the module's docs for what it promises after a crash.
///
/// Each call works on files, in [`blocking`]: a microthread parks meanwhile.
///
/// ```
/// use actor_core::image::{Head, Image, Kind};
/// use actor_core::store::{FileStore, Store};
///
/// # let dir = std::env::temp_dir().join(format!("actor-store-doc-{}", std::process::id()));
/// let store = FileStore::open(&dir)?;
/// store.save("cart", &Image::of(Head::new(Kind::Data, "Cart"), "tea")?)?;
/// drop(store);
///
/// let store = FileStore::open(&dir)?; // perhaps another process, years later
/// let loaded = store.load("cart")?.image.expect("it was saved");
/// assert_eq!(loaded.value::<String>()?, "tea");
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileStore {
    dir: PathBuf,
    keep: usize,
    limits: Limits,
    names: Mutex<BTreeMap<String, Shared>>,
    /// Locked for as long as it is open.
    lock: File,
}

impl Drop for FileStore {
    fn drop(&mut self) {
        // Closing it would not do if the process is just starting another, which has the descriptor until it runs its
        // program. The lock ends with the descriptor if this fails.
        let _ = self.lock.unlock();
    }
}

impl FileStore {
    /// How many images of each name are kept, unless [`keep`](Self::keep) says otherwise.
    pub const KEEP: usize = 2;

    /// Opens a directory, and makes it if it is not there. What an interrupted save left behind is removed.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let dir = dir.as_ref().to_owned();
        blocking(|| open(dir))
    }

    /// Sets how many images of each name are kept: with one, a damaged image is a lost one. At least one is.
    #[must_use]
    pub fn keep(mut self, images: usize) -> Self {
        self.keep = images.max(1);
        self
    }

    /// Sets what an image may be at most when it is read.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn path(&self, escaped: &str, number: u64, kind: &str) -> PathBuf {
        self.dir.join(format!("{escaped}@{number:016x}.{kind}"))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Shared>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn images(&self, escaped: &str) -> Option<Shared> {
        self.all().get(escaped).cloned()
    }

    fn write(&self, escaped: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let images = self.all().entry(escaped.to_owned()).or_default().clone();
        let mut images = lock(&images);
        let number = images.next;
        images.seen(number);
        let (draft, path) = (
            self.path(escaped, number, "tmp"),
            self.path(escaped, number, "image"),
        );
        let written = File::create(&draft) // 1
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all() // 2
            });
        if let Err(error) = written {
            // Not there, or not whole: either way not an image.
            let _ = fs::remove_file(&draft);
            return Err(failed("writing", &draft)(error));
        }
        fs::rename(&draft, &path).map_err(failed("renaming", &draft))?; // 3
        images.kept.push(number);
        sync_dir(&self.dir)?; // 4
        while images.kept.len() > self.keep {
            // 5
            if remove(&self.path(escaped, images.kept[0], "image")).is_err() {
                break;
            }
            images.kept.remove(0);
        }
        Ok(())
    }

    fn read(&self, escaped: &str) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        let Some(images) = self.images(escaped) else {
            return Ok(loaded);
        };
        let mut images = lock(&images);
        while let Some(&number) = images.kept.last() {
            let path = self.path(escaped, number, "image");
            match self.decode(&path)? {
                Ok(image) => {
                    loaded.image = Some(image);
                    return Ok(loaded);
                }
                Err(error) => {
                    let aside = self.path(escaped, number, "damaged");
                    fs::rename(&path, &aside).map_err(failed("setting aside", &path))?;
                    images.kept.pop();
                    let place = aside.display().to_string();
                    tracing::warn!(target: "actor_core::store", %place, %error, "damaged image set aside");
                    loaded.damaged.push(Damaged { place, error });
                }
            }
        }
        match loaded.damaged.is_empty() {
            true => Ok(loaded),
            false => Err(StoreError::Damaged(loaded.damaged)),
        }
    }

    /// The image in a file, or what is wrong with it. An absurdly large file is not read.
    fn decode(&self, path: &Path) -> Result<Result<Image, DecodeError>, StoreError> {
        let size = fs::metadata(path)
            .map_err(failed("looking at", path))?
            .len();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let limit = self.limits.bytes;
        if size > limit {
            return Ok(Err(DecodeError::TooLarge { size, limit }));
        }
        let bytes = fs::read(path).map_err(failed("reading", path))?;
        Ok(Image::decode(&bytes, &self.limits))
    }

    fn forget(&self, escaped: &str) -> Result<bool, StoreError> {
        let Some(images) = self.images(escaped) else {
            return Ok(false);
        };
        let mut images = lock(&images);
        let any = !images.kept.is_empty();
        // The oldest first: whatever stops this half-way, the last one is what is left.
        while let Some(&number) = images.kept.first() {
            remove(&self.path(escaped, number, "image"))?;
            images.kept.remove(0);
        }
        sync_dir(&self.dir)?;
        Ok(any)
    }
}

impl Store for FileStore {
    fn save(&self, name: &str, image: &Image) -> Result<(), StoreError> {
        let escaped = escape(name)?;
        // A large image is no work for a worker.
        blocking(|| self.write(&escaped, &image.encode()))
    }

    fn load(&self, name: &str) -> Result<Loaded, StoreError> {
        let escaped = escape(name)?;
        blocking(|| self.read(&escaped))
    }

    fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let escaped = escape(name)?;
        blocking(|| self.forget(&escaped))
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let all: Vec<_> = (self.all().iter())
            .map(|(escaped, images)| (escaped.clone(), images.clone()))
            .collect();
        let there = all
            .iter()
            .filter(|(_, images)| !lock(images).kept.is_empty());
        let mut names: Vec<_> = there.filter_map(|(escaped, _)| unescape(escaped)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

fn lock(images: &Shared) -> MutexGuard<'_, Images> {
    images.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(dir: PathBuf) -> Result<FileStore, StoreError> {
    fs::create_dir_all(&dir).map_err(failed("making", &dir))?;
    let path = dir.join("lock");
    let held = File::create(&path).map_err(failed("making", &path))?;
    match held.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(dir)),
        Err(TryLockError::Error(error)) => return Err(failed("locking", &path)(error)),
    }
    let mut names: BTreeMap<String, Images> = BTreeMap::new();
    for entry in fs::read_dir(&dir).map_err(failed("listing", &dir))? {
        let entry = entry.map_err(failed("listing", &dir))?;
        let file = entry.file_name();
        let Some((escaped, number, kind)) = file.to_str().and_then(parse) else {
            continue;
        };
        let images = names.entry(escaped.to_owned()).or_default();
        images.seen(number);
        match kind {
            "tmp" => remove(&entry.path())?,
            "image" => images.kept.push(number),
            _ => {}
        }
    }
    names.values_mut().for_each(|it| it.kept.sort_unstable());
    let names = names.into_iter();
    let names = names.map(|(name, images)| (name, Arc::new(Mutex::new(images))));
    Ok(FileStore {
        names: Mutex::new(names.collect()),
        dir,
        keep: FileStore::KEEP,
        limits: Limits::default(),
        lock: held,
    })
}

/// What a file's name says, if it is one of ours.
fn parse(file: &str) -> Option<(&str, u64, &str)> {
    let (escaped, rest) = file.rsplit_once('@')?;
    let (number, kind) = rest.split_once('.')?;
    let ours = number.len() == 16 && unescape(escaped).is_some();
    let number = u64::from_str_radix(number, 16).ok()?;
    ours.then_some((escaped, number, kind))
}

fn escape(name: &str) -> Result<String, StoreError> {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        let hides = byte == b'.' && escaped.is_empty();
        if !hides && (byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    if escaped.is_empty() || escaped.len() > LONGEST {
        return Err(StoreError::Name {
            name: name.to_owned(),
            longest: LONGEST,
        });
    }
    Ok(escaped)
}

/// What `escape` made the text of; `None` if it did not.
fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(first) = rest.chars().next() {
        if first == '%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = &rest[3..];
        } else {
            let (this, next) = rest.split_at(first.len_utf8());
            bytes.extend_from_slice(this.as_bytes());
            rest = next;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (escape(&name).ok()? == escaped).then_some(name)
}

/// Removes a file; one that is gone already will do.
fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removing", path)(error))
        }
        _ => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(failed("syncing", dir))
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let doing = format!("{what} {}", path.display());
    move |error| StoreError::Io { doing, error }
}
