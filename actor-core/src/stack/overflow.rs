//! What happens when a stack hits its guard.
//!
//! # Why not generator's handler
//!
//! `generator` installs a handler that allocates, prints, and jumps out of the faulting frame. Frames abandoned that way
//! may hold the allocator's lock (each later allocation then hangs), or may have lent their memory to other threads
//! (which then use it after it is gone). Ours runs in front of it, allocates nothing, takes no lock, and abandons a stack
//! only where that is known not to do either.
//!
//! # The decision
//!
//! On SIGSEGV or SIGBUS, on the thread's signal stack:
//!
//! 1. The fault is ours if the kernel raised it, its address lies in the guard of the stack last resumed on this thread,
//!    and the interrupted stack pointer in that stack or its guard. (A nested generator of the user's shares the thread,
//!    not the bounds.) Otherwise the action that stood before `generator`'s gets it: std's message for an OS thread's
//!    stack, or ordinary death.
//! 2. Abort, with one line on stderr that names the microthread, if
//!    - the policy says so;
//!    - the stack has memory lent ([`set_lending`](super::set_lending));
//!    - the thread is panicking: the thread's panic count would never return to zero;
//!    - the faulting instruction is not in the module that contains this handler, so that it may be the allocator's, or
//!      hold another lock nobody will release.
//! 3. Otherwise abandon: restore the signal mask and switch to the resumer, for which
//!    [`Stack::resume`](super::Stack::resume) returns [`Resumed::Overflowed`](super::Resumed).
//!
//! # What this cannot see
//!
//! It is a last resort. Locks of the user's, or of std's, that the abandoned frames hold stay locked. An allocator linked
//! into the same module (a Rust `#[global_allocator]`, a static libc) counts as the module's own code; programs that use
//! one should choose the policy that aborts. Foreign code that called back into Rust is not noticed either.
//!
//! # Installing
//!
//! Once a process, when the first pool is made:
//!
//! 1. read the actions in force;
//! 2. run a small generator, which makes `generator` install its handler (and its panic hook) now and not later;
//! 3. install ours, which thereby comes in front.
//!
//! The action to chain to is the one from step 1. If somebody else had used `generator` in this process before, that is
//! generator's own.

use std::mem::{self, MaybeUninit};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::context;
use super::guard;

/// Names what runs on the current stack: a name and a number. Called from the signal handler, so it must neither
/// allocate nor lock.
pub(crate) type Label = fn() -> (&'static str, u64);

static LABEL: AtomicUsize = AtomicUsize::new(0);

/// Registers the callback that names what runs. The last one wins.
pub(crate) fn set_label(label: Label) {
    LABEL.store(label as usize, Ordering::Release);
}

const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The actions to chain to, in the order of [`SIGNALS`]. Written once, before our handler is installed.
static mut PREVIOUS: [MaybeUninit<libc::sigaction>; 2] = [const { MaybeUninit::uninit() }; 2];

/// Executable segments of the module that contains the handler, as start and end. Empty ones are zero.
static SEGMENTS: [[AtomicUsize; 2]; 8] = [const { [const { AtomicUsize::new(0) }; 2] }; 8];

/// Installs the handler, once a process, and sees that this thread has a signal stack.
pub(super) fn prepare_thread() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(install);
    ensure_signal_stack();
}

fn install() {
    // Step 1.
    for (slot, signal) in SIGNALS.iter().enumerate() {
        // SAFETY: `Once` makes this the only writer, and there is no reader before step 3. A null action only reads.
        unsafe {
            let previous = (&raw mut PREVIOUS[slot]).cast::<libc::sigaction>();
            previous.write(mem::zeroed());
            libc::sigaction(*signal, std::ptr::null(), previous);
        }
    }
    // Step 2.
    generator::Gn::<()>::new_scoped_local(|_| ()).resume();
    find_segments();
    // Step 3.
    for signal in SIGNALS {
        // SAFETY: the handler has the type that SA_SIGINFO asks for, and is async-signal-safe.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = on_fault as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Records the executable segments of the module this code is in.
fn find_segments() {
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: usize,
        _: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the loader passes a valid description of a module and of its program headers.
        let (base, headers) = unsafe {
            let info = &*info;
            (
                info.dlpi_addr as usize,
                std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)),
            )
        };
        let code = || {
            headers
                .iter()
                .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0)
                .map(|header| {
                    let start = base + header.p_vaddr as usize;
                    start..start + header.p_memsz as usize
                })
        };
        let own = on_fault as *const () as usize;
        if !code().any(|segment| segment.contains(&own)) {
            return 0;
        }
        for (slot, segment) in SEGMENTS.iter().zip(code()) {
            slot[0].store(segment.start, Ordering::Relaxed);
            slot[1].store(segment.end, Ordering::Relaxed);
        }
        1
    }
    // SAFETY: `visit` has the type asked for and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(visit), std::ptr::null_mut()) };
}

fn in_own_module(pc: usize) -> bool {
    SEGMENTS.iter().any(|[start, end]| {
        (start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed)).contains(&pc)
    })
}

/// Sees that faults on this thread can be handled at all: a full stack has no room for a signal frame. std gives its own
/// threads a signal stack; a thread made by foreign code may have none.
fn ensure_signal_stack() {
    const SIZE: usize = 64 * 1024;
    // SAFETY: plain queries and a fresh mapping, which is leaked: it must last as long as the thread, and a thread that
    // runs stacks lasts as long as its runtime.
    unsafe {
        let mut now: libc::stack_t = mem::zeroed();
        if libc::sigaltstack(std::ptr::null(), &raw mut now) != 0
            || now.ss_flags & libc::SS_DISABLE == 0
        {
            return;
        }
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let at = libc::mmap(std::ptr::null_mut(), SIZE, prot, flags, -1, 0);
        if at != libc::MAP_FAILED {
            let stack = libc::stack_t {
                ss_sp: at,
                ss_flags: 0,
                ss_size: SIZE,
            };
            libc::sigaltstack(&raw const stack, std::ptr::null_mut());
        }
    }
}

/// Program counter and stack pointer at the fault.
///
/// # Safety
///
/// `context` is what the kernel passed to the handler.
unsafe fn interrupted(context: *mut libc::c_void) -> (usize, usize) {
    // SAFETY: with SA_SIGINFO the kernel passes a `ucontext_t`.
    let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    return (
        machine.gregs[libc::REG_RIP as usize] as usize,
        machine.gregs[libc::REG_RSP as usize] as usize,
    );
    #[cfg(target_arch = "aarch64")]
    return (machine.pc as usize, machine.sp as usize);
}

unsafe extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes valid `info` and `context` (SA_SIGINFO).
    let (code, address, (pc, sp)) = unsafe {
        (
            (*info).si_code,
            (*info).si_addr() as usize,
            interrupted(context),
        )
    };
    // The stack this thread resumed last; none on a thread that is not a worker.
    let ctx = context::resumed_last().filter(|ctx| {
        // SAFETY: the stack is being run by this thread, so its control block is alive.
        let ctx = unsafe { ctx.as_ref() };
        // Frames are probed page by page, but `sp` may have moved below the guard before the probe.
        let near = ctx.guard().start - guard::page_size()..ctx.bounds().end;
        code > 0 && ctx.guard().contains(&address) && near.contains(&sp)
    });
    let Some(ctx) = ctx else {
        // SAFETY: as passed to us.
        unsafe { chain(signal, info, context) };
        return;
    };
    // SAFETY: as above.
    let ctx = unsafe { ctx.as_ref() };
    let refusal = if ctx.aborts() {
        Some("")
    } else if ctx.is_lending() {
        Some(" while its memory was lent")
    } else if std::thread::panicking() {
        Some(" while unwinding")
    } else if !in_own_module(pc) {
        Some(" in foreign code")
    } else {
        None
    };
    if let Some(reason) = refusal {
        report(reason, ctx.id());
        // SAFETY: abort is async-signal-safe.
        unsafe { libc::abort() };
    }
    // SAFETY: restores the mask of the interrupted code, which a return from here would have done. `address` and `sp` say
    // that the code ran on this stack, so generator's top context is this stack's.
    unsafe {
        let mask = &raw const (*context.cast::<libc::ucontext_t>()).uc_sigmask;
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, std::ptr::null_mut());
        ctx.abandon()
    }
}

/// Does what would have happened without us.
///
/// # Safety
///
/// The arguments are those of a signal handler.
unsafe fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let slot = usize::from(signal != SIGNALS[0]);
    // SAFETY: written before the handler was installed, never since.
    let previous = unsafe { &*(&raw const PREVIOUS[slot]).cast::<libc::sigaction>() };
    let handler = previous.sa_sigaction;
    // SAFETY: as passed by the kernel. A code of zero or less: sent by a process, not raised by a fault.
    let sent = unsafe { (*info).si_code } <= 0;
    if handler == libc::SIG_IGN && sent {
        return;
    }
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // SAFETY: restores the default. A fault happens again on return; a signal somebody sent must be sent again.
        unsafe {
            let mut default: libc::sigaction = mem::zeroed();
            default.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &raw const default, std::ptr::null_mut());
            if sent {
                libc::raise(signal);
            }
        }
    } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: an action with SA_SIGINFO holds a function of this type.
        unsafe {
            let handler: unsafe extern "C" fn(
                libc::c_int,
                *mut libc::siginfo_t,
                *mut libc::c_void,
            ) = mem::transmute(handler);
            handler(signal, info, context);
        }
    } else {
        // SAFETY: an action without SA_SIGINFO holds a function of this type.
        unsafe {
            let handler: unsafe extern "C" fn(libc::c_int) = mem::transmute(handler);
            handler(signal);
        }
    }
}

/// Writes one line to stderr with a single `write`.
fn report(reason: &str, stack: u64) {
    let mut line = Line {
        bytes: [0; 256],
        len: 0,
    };
    line.text("actor-core: ");
    let label = LABEL.load(Ordering::Acquire);
    if label == 0 {
        line.text("the microthread");
    } else {
        // SAFETY: only `set_label` writes here, and only functions of this type.
        let label: Label = unsafe { mem::transmute::<usize, Label>(label) };
        let (name, id) = label();
        line.text(&name[..name.floor_char_boundary(120)]);
        line.text(" #");
        line.number(id);
    }
    line.text(" on stack ");
    line.number(stack);
    line.text(" overflowed its stack");
    line.text(reason);
    line.text("; aborting\n");
    // SAFETY: the buffer is valid for `len` bytes. Nothing can be done about a failure.
    unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.len) };
}

/// A line assembled without allocating; what does not fit is cut.
struct Line {
    bytes: [u8; 256],
    len: usize,
}

impl Line {
    fn text(&mut self, text: &str) {
        for &byte in text.as_bytes() {
            if self.len < self.bytes.len() {
                self.bytes[self.len] = byte;
                self.len += 1;
            }
        }
    }

    fn number(&mut self, number: u64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for &digit in &digits[at..] {
            if self.len < self.bytes.len() {
                self.bytes[self.len] = digit;
                self.len += 1;
            }
        }
    }
}
