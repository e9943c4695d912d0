//! Faults of functions that stand for kernels, on one worker.

use std::arch::asm;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mettle_msl::abi::{GroupEntry, Launch, ThreadEntry};

use super::*;
use crate::backend::{Commands, RawLaunch, RawPipeline};
use crate::cpu::code::{Entry, Kernel, Text};
use crate::cpu::prepare::Plan;
use crate::cpu::watchdog::Watchdog;
use crate::cpu::worker::Worker;
use crate::fault::{AccessKind, Fault};
use crate::grid::GridSize;

/// Runs an entry on threadgroups of 4 threads; what stopped it.
fn fault(worker: &mut Worker, entry: Entry) -> Option<Fault> {
    install();
    prepare_thread();
    let address = match entry {
        Entry::Group(entry) => entry as usize,
        Entry::Thread(entry) | Entry::Single(entry) => entry as usize,
    };
    let kernel = Kernel {
        entry,
        text: Text::at(address),
        cost: AtomicU32::new(0),
    };
    let launch = RawLaunch {
        pipeline: RawPipeline((&raw const kernel).expose_provenance() as u64),
        grid: GridSize {
            threads: [12, 1, 1],
            threadgroups: [3, 1, 1],
            threads_per_threadgroup: [4, 1, 1],
        },
        arguments: 0..0,
        barrier_before: false,
        early_written: false,
    };
    let commands = Commands {
        launches: &[launch],
        arguments: &[],
        values: &[],
        profile: false,
    };
    let mut plan = Plan::default();
    // SAFETY: the commands are valid; the kernel has no arguments.
    let failure = unsafe {
        plan.make(&commands, false);
        worker.run(&plan, &plan.launches[0], 0..3, None).err()
    };
    failure.map(|failure| failure.fault)
}

/// Emulators do not always say what was done.
fn is(access: AccessKind, expected: AccessKind) -> bool {
    access == expected || cfg!(target_arch = "aarch64") && access == AccessKind::Unknown
}

const ADDRESS: usize = 0x1230;

unsafe extern "C" fn reads(_: *const Launch) {
    // SAFETY: it is not: the first pages of the address space are never mapped.
    unsafe { std::ptr::with_exposed_provenance::<u32>(black_box(ADDRESS)).read_volatile() };
}

unsafe extern "C" fn writes(_: *const Launch, thread: u32) {
    if thread == 2 {
        // SAFETY: as above.
        unsafe {
            std::ptr::with_exposed_provenance_mut::<u32>(black_box(ADDRESS)).write_volatile(1)
        };
    }
}

unsafe extern "C" fn traps(_: *const Launch) {
    // SAFETY: it ends the function.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("ud2");
        #[cfg(target_arch = "aarch64")]
        asm!("udf #0");
    }
}

unsafe extern "C" fn jumps(_: *const Launch) {
    // SAFETY: there is no code, as above.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("call {}", in(reg) ADDRESS);
        #[cfg(target_arch = "aarch64")]
        asm!("blr {}", in(reg) ADDRESS, out("x30") _);
    }
}

unsafe extern "C" fn does_nothing(_: *const Launch) {}

unsafe extern "C" fn does_not_end(_: *const Launch) {
    static NEVER: AtomicBool = AtomicBool::new(false);
    while !NEVER.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

#[test]
fn faults_are_caught() {
    let mut worker = Worker::new(None, false);
    for _ in 0..100 {
        let found = fault(&mut worker, Entry::Group(reads as GroupEntry)).unwrap();
        let Fault::Access {
            address, access, ..
        } = found
        else {
            panic!("{found}");
        };
        assert_eq!(address, Some(ADDRESS as u64));
        assert!(is(access, AccessKind::Read), "{access}");
        for entry in [Entry::Thread(writes as ThreadEntry), Entry::Single(writes)] {
            let found = fault(&mut worker, entry).unwrap();
            let Fault::Access {
                address,
                access,
                origin,
                ..
            } = found
            else {
                panic!("{found}");
            };
            assert_eq!(address, Some(ADDRESS as u64));
            assert!(is(access, AccessKind::Write), "{access}");
            assert_eq!(origin.thread, Some([2, 0, 0]));
        }
        let found = fault(&mut worker, Entry::Group(jumps)).unwrap();
        assert!(
            matches!(found, Fault::Access { access, .. } if is(access, AccessKind::Execute)),
            "{found}"
        );
        let found = fault(&mut worker, Entry::Group(traps)).unwrap();
        assert!(matches!(found, Fault::Undefined { .. }), "{found}");
        assert_eq!(fault(&mut worker, Entry::Group(does_nothing)), None);
    }
}

#[test]
fn time_is_up() {
    let watchdog = Watchdog::new(Duration::from_millis(5)).unwrap();
    let mut worker = Worker::new(Some(watchdog.out_of_time()), false);
    for _ in 0..20 {
        let watch = watchdog.begin();
        let found = fault(&mut worker, Entry::Group(does_not_end)).unwrap();
        assert!(matches!(found, Fault::Budget { .. }), "{found}");
        drop(watch);
        let _watch = watchdog.begin();
        assert_eq!(fault(&mut worker, Entry::Group(does_nothing)), None);
    }
}

/// What is not a kernel's goes to the handler that was there before, and what is sent is no fault.
#[test]
fn other_signals_pass() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    extern "C" fn handler(_: i32) {
        SEEN.fetch_add(1, Ordering::Relaxed);
    }
    install();
    // SAFETY: interrupts a thread that runs no kernel: nothing happens.
    unsafe { SystemThread::current().interrupt() };
    // SAFETY: the handler only counts; ours is put back.
    unsafe {
        let mut ours: libc::sigaction = std::mem::zeroed();
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        libc::sigaction(libc::SIGURG, &raw const action, &raw mut ours);
        libc::raise(libc::SIGURG);
        libc::sigaction(libc::SIGURG, &raw const ours, std::ptr::null_mut());
    }
    assert_eq!(SEEN.load(Ordering::Relaxed), 1);
    let flag = Arc::new(AtomicBool::new(true));
    let mut worker = Worker::new(Some(flag), false);
    let found = fault(&mut worker, Entry::Group(does_nothing)).unwrap();
    assert!(matches!(found, Fault::Budget { .. }), "{found}");
}
