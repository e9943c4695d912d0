//! The stand-in stops the mistakes that Metal's API validation stops.

use super::*;
use crate::metal::api::{Buffer as _, CommandBuffer as _, Device as _, Encoder as _};
use crate::metal::api::{Library as _, Storage};

const SOURCE: &str = "kernel void twice(device int* x [[buffer(0)]], constant int& by [[buffer(1)]], \
    uint i [[thread_position_in_grid]]) { x[i] *= by; }";

/// A device, a queue, a buffer of four ints that are 1, and a pipeline.
struct Bench {
    queue: QueueObject,
    buffer: BufferObject,
    pipeline: PipelineObject,
}

fn bench() -> Bench {
    let device = Mock::create_system_default_device().unwrap();
    let library = device.new_library_with_source(SOURCE).unwrap();
    let function = library.new_function("twice").unwrap();
    let buffer = device.new_buffer(16, Storage::Shared).unwrap();
    // SAFETY: the buffer has room for four ints, and nobody else uses it.
    unsafe { buffer.contents().cast::<[i32; 4]>().write([1; 4]) };
    Bench {
        queue: device.new_command_queue("queue").unwrap(),
        buffer,
        pipeline: device
            .new_compute_pipeline_state(&function, "twice")
            .unwrap(),
    }
}

/// Encodes a launch of four threads in groups of this many.
fn encode(
    bench: &Bench,
    commands: &CommandBufferObject,
    threads: u32,
    bind: bool,
) -> EncoderObject {
    let encoder = commands.compute_command_encoder("encoder").unwrap();
    encoder.set_compute_pipeline_state(&bench.pipeline);
    encoder.insert_debug_signpost("twice");
    encoder.set_bytes(&3i32.to_ne_bytes(), 1);
    if bind {
        // SAFETY: every test waits for the command buffer, or panics.
        unsafe { encoder.set_buffer(&bench.buffer, 0, 0) };
    }
    encoder.dispatch_threads([4, 1, 1], [threads, 1, 1]);
    encoder
}

fn with_pool(body: impl FnOnce(&Bench, CommandBufferObject)) {
    Mock::autoreleasepool(|| {
        let bench = bench();
        let commands = bench.queue.command_buffer("commands").unwrap();
        body(&bench, commands);
    });
}

#[test]
fn work_runs_when_it_is_waited_for() {
    with_pool(|bench, commands| {
        encode(bench, &commands, 4, true).end_encoding();
        commands.commit();
        // SAFETY: the buffer holds four ints; the command buffer has not begun.
        let read = || unsafe { bench.buffer.contents().cast::<[i32; 4]>().read() };
        assert_eq!(read(), [1; 4]);
        commands.wait_until_completed();
        assert_eq!(read(), [3; 4]);
        assert_eq!(commands.error(), None);
    });
}

#[test]
#[should_panic(expected = "encoding after the end")]
fn encoding_after_the_end() {
    with_pool(|bench, commands| {
        let encoder = encode(bench, &commands, 4, true);
        encoder.end_encoding();
        encoder.memory_barrier();
    });
}

#[test]
#[should_panic(expected = "an encoder is released before its end")]
fn no_end() {
    with_pool(|bench, commands| drop(encode(bench, &commands, 4, true)));
}

#[test]
#[should_panic(expected = "committed twice")]
fn a_second_commit() {
    with_pool(|bench, commands| {
        encode(bench, &commands, 4, true).end_encoding();
        commands.commit();
        commands.commit();
    });
}

#[test]
#[should_panic(expected = "with an open encoder")]
fn a_commit_before_the_end() {
    with_pool(|bench, commands| {
        let _encoder = encode(bench, &commands, 4, true);
        commands.commit();
    });
}

#[test]
#[should_panic(expected = "missing argument x")]
fn a_missing_buffer() {
    with_pool(|bench, commands| drop(encode(bench, &commands, 4, false)));
}

#[test]
#[should_panic(expected = "a threadgroup of 2048 threads")]
fn a_threadgroup_that_is_too_large() {
    with_pool(|bench, commands| drop(encode(bench, &commands, 2048, true)));
}

#[test]
#[should_panic(expected = "a buffer is released while 1 command buffers")]
fn a_buffer_released_in_flight() {
    Mock::autoreleasepool(|| {
        let bench = bench();
        let commands = bench.queue.command_buffer("commands").unwrap();
        encode(&bench, &commands, 4, true).end_encoding();
        commands.commit();
        drop(bench.buffer);
    });
}

#[test]
#[should_panic(expected = "before it is complete")]
fn asking_before_the_end() {
    with_pool(|bench, commands| {
        encode(bench, &commands, 4, true).end_encoding();
        commands.commit();
        commands.error();
    });
}

#[test]
#[should_panic(expected = "no pool in place")]
fn no_autorelease_pool() {
    Mock::create_system_default_device();
}
