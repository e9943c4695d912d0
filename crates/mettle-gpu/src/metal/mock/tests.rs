//! The stand-in stops the mistakes that Metal's API validation stops.

use super::*;
use crate::metal::api::{
    BinaryArchive as _, Buffer as _, CommandBuffer as _, DataType, Device as _, Encoder as _,
    FunctionConstant, Library as _, Lookup, NO_TIMESTAMP, ResidencySet as _, Storage,
    Timestamps as _,
};
use mettle_msl::metal::Language;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

const SOURCE: &str = "
constant int BY [[function_constant(0)]];
kernel void twice(device int* x [[buffer(0)]], constant int& by [[buffer(1)]], uint i [[thread_position_in_grid]]) { x[i] *= by; }
kernel void shared(device int* x [[buffer(0)]], threadgroup int* t [[threadgroup(0)]]) { t[0] = BY; x[0] = t[0]; }";

/// A device, a queue, a buffer of four ints that are 1, and a pipeline.
struct Bench {
    device: DeviceObject,
    library: LibraryObject,
    queue: QueueObject,
    buffer: BufferObject,
    pipeline: PipelineObject,
}

const BY: (FunctionConstant, [u8; 8]) = (
    FunctionConstant {
        index: 0,
        ty: DataType(29),
    },
    [5, 0, 0, 0, 0, 0, 0, 0],
);

fn pipeline(device: &DeviceObject, library: &LibraryObject, name: &str) -> PipelineObject {
    let function = library.new_function_with_constants(name, &[BY]).unwrap();
    let made = device.new_compute_pipeline_state(&function, name, Lookup::No);
    made.unwrap()
}

fn bench() -> Bench {
    let device = Mock::create_system_default_device().unwrap();
    let library = device
        .new_library_with_source(SOURCE, Language::Metal3_1, false)
        .unwrap();
    let buffer = device.new_buffer(16, Storage::Shared, "x").unwrap();
    // SAFETY: the buffer has room for four ints, and nobody else uses it.
    unsafe { buffer.contents().cast::<[i32; 4]>().write([1; 4]) };
    Bench {
        queue: device.new_command_queue("queue").unwrap(),
        buffer,
        pipeline: pipeline(&device, &library, "twice"),
        library,
        device,
    }
}

/// The GPU with memory of its own, and a managed buffer of it.
fn discrete() -> (DeviceObject, BufferObject) {
    let device = DeviceObject::new(&MODELS[1]).unwrap();
    let buffer = device.new_buffer(16, Storage::Managed, "x").unwrap();
    (device, buffer)
}

fn begin(bench: &Bench, commands: &CommandBufferObject) -> EncoderObject {
    let encoder = commands.compute_command_encoder("encoder", None).unwrap();
    encoder.set_compute_pipeline_state(&bench.pipeline);
    encoder.insert_debug_signpost("twice");
    encoder
}

fn bind(encoder: &EncoderObject, buffer: &BufferObject, offset: usize) {
    // SAFETY: every test waits for the command buffer, or panics.
    unsafe { encoder.set_buffer(buffer, offset, 0) };
    encoder.set_bytes(&3i32.to_ne_bytes(), 1);
}

/// Encodes a launch of four threads.
fn encode(bench: &Bench, commands: &CommandBufferObject) -> EncoderObject {
    let encoder = begin(bench, commands);
    bind(&encoder, &bench.buffer, 0);
    encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    encoder
}

fn committed(bench: &Bench) -> CommandBufferObject {
    let commands = bench.queue.command_buffer("commands").unwrap();
    encode(bench, &commands).end_encoding();
    commands.commit();
    commands
}

fn with_pool(body: impl FnOnce(Bench, CommandBufferObject)) {
    Mock::autoreleasepool(|| {
        let bench = bench();
        let commands = bench.queue.command_buffer("commands").unwrap();
        body(bench, commands);
    });
}

#[test]
fn work_runs_when_it_is_waited_for() {
    with_pool(|bench, commands| {
        encode(&bench, &commands).end_encoding();
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
fn encoders_record_their_times() {
    with_pool(|bench, commands| {
        let samples = bench.device.new_timestamps(4, "times").unwrap();
        let encoder = commands
            .compute_command_encoder("encoder", Some((&samples, 1)))
            .unwrap();
        encoder.set_compute_pipeline_state(&bench.pipeline);
        encoder.insert_debug_signpost("twice");
        bind(&encoder, &bench.buffer, 0);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
        encoder.end_encoding();
        commands.commit();
        commands.wait_until_completed();
        let ticks = samples.resolve(4).unwrap();
        assert_eq!([ticks[0], ticks[3]], [NO_TIMESTAMP; 2]);
        assert!(ticks[1] > 0 && ticks[1] <= ticks[2] && ticks[2] < NO_TIMESTAMP);
    });
}

#[test]
fn pointers_lead_to_what_is_resident() {
    with_pool(|bench, commands| {
        let new = || bench.device.new_buffer(16, Storage::Shared, "target");
        let (reached, resident) = (new().unwrap(), new().unwrap());
        let set = bench.device.new_residency_set("set").unwrap();
        set.add_allocation(&resident);
        let encoder = begin(&bench, &commands);
        // SAFETY: it is waited for.
        unsafe { encoder.use_resource(&reached, true) };
        for target in [&reached, &resident, &bench.buffer] {
            bind(&encoder, &bench.buffer, 0);
            encoder.set_bytes(&target.gpu_address().to_ne_bytes(), 1);
            encoder.dispatch_threads([1, 1, 1], [1, 1, 1]);
            encoder.insert_debug_signpost("twice");
        }
        encoder.dispatch_threads([1, 1, 1], [1, 1, 1]);
        encoder.end_encoding();
        commands.commit();
        commands.wait_until_completed();
        set.remove_allocation(&resident);
    });
}

#[test]
fn archives_give_back_what_was_added() {
    with_pool(|bench, _commands| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("archive");
        let function = |name| bench.library.new_function_with_constants(name, &[BY]);
        let (twice, shared) = (function("twice").unwrap(), function("shared").unwrap());
        let archive = bench.device.new_binary_archive(None, "archive").unwrap();
        archive.serialize(&file).unwrap_err();
        let open = bench.library.new_function("twice").unwrap();
        archive
            .add_compute_pipeline_functions(&open, "twice")
            .unwrap_err();
        archive
            .add_compute_pipeline_functions(&twice, "twice")
            .unwrap();
        archive.serialize(&file).unwrap();
        let archive = bench.device.new_binary_archive(Some(&file), "archive");
        let archive = archive.unwrap();
        let made = |function, lookup| {
            bench
                .device
                .new_compute_pipeline_state(function, "k", lookup)
        };
        made(&twice, Lookup::Only(&archive)).unwrap();
        assert!(made(&shared, Lookup::Only(&archive)).is_err());
        made(&shared, Lookup::First(&archive)).unwrap();
        let missing = bench
            .device
            .new_binary_archive(Some(Path::new("/none")), "none");
        assert!(missing.is_err());
        let (other, _) = discrete();
        assert!(other.new_binary_archive(Some(&file), "archive").is_err());
    });
}

/// An archive in a file of a folder of its own.
fn written(bench: &Bench) -> (tempfile::TempDir, PathBuf, ArchiveObject) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive");
    let archive = bench.device.new_binary_archive(None, "archive").unwrap();
    let function = bench.library.new_function_with_constants("twice", &[BY]);
    archive
        .add_compute_pipeline_functions(&function.unwrap(), "twice")
        .unwrap();
    archive.serialize(&file).unwrap();
    let opened = bench.device.new_binary_archive(Some(&file), "archive");
    (folder, file, opened.unwrap())
}

/// Tests that a mistake is stopped with a message.
macro_rules! stopped {
    ($($name:ident: $message:literal, |$bench:ident, $commands:ident| $body:block)*) => {
        $(
            #[test]
            #[should_panic(expected = $message)]
            fn $name() {
                with_pool(|$bench, $commands| $body);
            }
        )*
    };
}

stopped! {
    encoding_after_the_end: "encoding after the end", |bench, commands| {
        let encoder = encode(&bench, &commands);
        encoder.end_encoding();
        encoder.memory_barrier();
    }
    a_second_end: "encoding after the end", |bench, commands| {
        let encoder = encode(&bench, &commands);
        encoder.end_encoding();
        encoder.end_encoding();
    }
    no_end: "an encoder is released before its end", |bench, commands| {
        drop(encode(&bench, &commands));
    }
    a_second_encoder: "before the first has ended", |bench, commands| {
        let _first = encode(&bench, &commands);
        encode(&bench, &commands);
    }
    a_copy_within_an_encoder: "before the first has ended", |bench, commands| {
        let _encoder = encode(&bench, &commands);
        // SAFETY: it panics before.
        unsafe { commands.copy("copy", (&bench.buffer, 0), (&bench.buffer, 8), 8) };
    }
    encoding_after_the_commit: "encoding after the commit", |bench, _commands| {
        let commands = committed(&bench);
        encode(&bench, &commands);
    }
    a_second_commit: "committed twice", |bench, _commands| {
        committed(&bench).commit();
    }
    a_commit_before_the_end: "with an open encoder", |bench, commands| {
        let _encoder = encode(&bench, &commands);
        commands.commit();
    }
    waiting_before_the_commit: "waiting for a command buffer before its commit", |bench, commands| {
        encode(&bench, &commands).end_encoding();
        commands.wait_until_completed();
    }
    asking_before_the_commit: "asked before its commit", |_bench, commands| {
        commands.error();
    }
    asking_before_the_end: "before it is complete", |bench, _commands| {
        committed(&bench).error();
    }
    nobody_waits: "nobody waits for a command buffer", |bench, _commands| {
        drop(committed(&bench));
    }
    too_many_in_flight: "more than 8 command buffers are in flight", |bench, _commands| {
        let _flying: Vec<_> = (0..9).map(|_| committed(&bench)).collect();
    }
    no_pipeline: "a dispatch without a pipeline", |bench, commands| {
        let encoder = commands.compute_command_encoder("encoder", None).unwrap();
        bind(&encoder, &bench.buffer, 0);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    no_signpost: "a dispatch has a signpost", |bench, commands| {
        let encoder = encode(&bench, &commands);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    a_missing_buffer: "missing argument x", |bench, commands| {
        let encoder = begin(&bench, &commands);
        encoder.set_bytes(&[0; 4], 1);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    a_missing_value: "missing argument by", |bench, commands| {
        let encoder = begin(&bench, &commands);
        // SAFETY: it panics before the launch.
        unsafe { encoder.set_buffer(&bench.buffer, 0, 0) };
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    missing_threadgroup_memory: "missing argument t", |bench, commands| {
        let pipeline = pipeline(&bench.device, &bench.library, "shared");
        let encoder = begin(&bench, &commands);
        encoder.set_compute_pipeline_state(&pipeline);
        bind(&encoder, &bench.buffer, 0);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    a_short_value: "argument by has 4 bytes, and what is bound 2", |bench, commands| {
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        encoder.set_bytes(&[0; 2], 1);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    a_short_buffer: "argument x has 4 bytes, and what is bound 2", |bench, commands| {
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 14);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    a_crooked_offset: "offset 6 is not aligned to 4", |bench, commands| {
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 6);
        encoder.dispatch_threads([2, 1, 1], [2, 1, 1]);
    }
    an_offset_outside: "offset 16 is outside of a buffer of 16 bytes", |bench, commands| {
        bind(&begin(&bench, &commands), &bench.buffer, 16);
    }
    a_buffer_index_too_large: "buffer index 31", |bench, commands| {
        // SAFETY: it panics before.
        unsafe { begin(&bench, &commands).set_buffer(&bench.buffer, 0, 31) };
    }
    a_value_index_too_large: "buffer index 31", |bench, commands| {
        begin(&bench, &commands).set_bytes(&[0; 4], 31);
    }
    a_threadgroup_index_too_large: "threadgroup memory index 31", |bench, commands| {
        begin(&bench, &commands).set_threadgroup_memory_length(16, 31);
    }
    no_bytes: "setBytes of 0 bytes", |bench, commands| {
        begin(&bench, &commands).set_bytes(&[], 1);
    }
    too_many_bytes: "setBytes of 4097 bytes", |bench, commands| {
        begin(&bench, &commands).set_bytes(&[0; 4097], 1);
    }
    an_odd_length_of_threadgroup_memory: "no multiple of 16", |bench, commands| {
        begin(&bench, &commands).set_threadgroup_memory_length(20, 0);
    }
    too_much_threadgroup_memory: "too much threadgroup memory", |bench, commands| {
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        encoder.set_threadgroup_memory_length(32 << 10, 0);
        encoder.set_threadgroup_memory_length(16, 1);
        encoder.dispatch_threads([4, 1, 1], [4, 1, 1]);
    }
    a_threadgroup_that_is_too_large: "a threadgroup of 2048 threads; the pipeline allows 1024", |bench, commands| {
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        encoder.dispatch_threadgroups([1, 1, 1], [1024, 2, 1]);
    }
    an_empty_threadgroup: "a threadgroup of 0 threads", |bench, commands| {
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        encoder.dispatch_threadgroups([1, 1, 1], [4, 0, 1]);
    }
    an_empty_grid: "an empty grid", |bench, commands| {
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        encoder.dispatch_threadgroups([1, 0, 1], [4, 1, 1]);
    }
    a_buffer_of_another_device: "a buffer of another device", |bench, commands| {
        bind(&begin(&bench, &commands), &discrete().1, 0);
    }
    a_pipeline_of_another_device: "a pipeline of another device", |bench, commands| {
        let (device, _) = discrete();
        let encoder = begin(&bench, &commands);
        encoder.set_compute_pipeline_state(&pipeline(&device, &bench.library, "twice"));
    }
    a_buffer_released_in_flight: "a buffer is released while 1 command buffers", |bench, _commands| {
        let _commands = committed(&bench);
        drop(bench.buffer);
    }
    a_pipeline_released_in_flight: "a pipeline is released while 1 command buffers", |bench, _commands| {
        let _commands = committed(&bench);
        drop(bench.pipeline);
    }
    timestamps_released_in_flight: "a buffer of timestamps is released while 1", |bench, commands| {
        let samples = bench.device.new_timestamps(2, "times").unwrap();
        commands.compute_command_encoder("encoder", Some((&samples, 0))).unwrap().end_encoding();
        commands.commit();
        drop(samples);
    }
    timestamps_outside: "timestamps 1 and 2 of 2", |bench, commands| {
        let samples = bench.device.new_timestamps(2, "times").unwrap();
        commands.compute_command_encoder("encoder", Some((&samples, 1)));
    }
    timestamps_where_there_are_none: "on a GPU that records none", |_bench, _commands| {
        let _ = DeviceObject::new(&MODELS[2]).unwrap().new_timestamps(2, "times");
    }
    times_between_dispatches_where_there_are_none: "records no times between dispatches", |bench, commands| {
        let samples = bench.device.new_timestamps(2, "times").unwrap();
        encode(&bench, &commands).sample_counters(&samples, 0);
    }
    times_of_encoders_where_there_are_none: "encoders record no times on this GPU", |_bench, _commands| {
        let (device, _) = discrete();
        let samples = device.new_timestamps(2, "times").unwrap();
        let commands = device.new_command_queue("queue").unwrap().command_buffer("commands").unwrap();
        commands.compute_command_encoder("encoder", Some((&samples, 0)));
    }
    a_timestamp_outside: "timestamp 2 of 2", |_bench, _commands| {
        let (device, _) = discrete();
        let samples = device.new_timestamps(2, "times").unwrap();
        let commands = device.new_command_queue("queue").unwrap().command_buffer("commands").unwrap();
        let encoder = commands.compute_command_encoder("encoder", None).unwrap();
        encoder.sample_counters(&samples, 2);
    }
    a_marker_outside: "a marker outside of a buffer", |bench, _commands| {
        bench.buffer.add_debug_marker("part", 12, 8);
    }
    a_buffer_without_a_label: "a buffer has a label", |bench, _commands| {
        bench.buffer.set_label("");
    }
    more_timestamps_than_there_are: "3 timestamps of 2", |bench, _commands| {
        bench.device.new_timestamps(2, "times").unwrap().resolve(3);
    }
    a_buffer_released_while_resident: "a buffer is released while in a residency set", |bench, _commands| {
        let set = bench.device.new_residency_set("set").unwrap();
        set.add_allocation(&bench.buffer);
        drop(bench.buffer);
    }
    a_second_addition: "added to a residency set twice", |bench, _commands| {
        let set = bench.device.new_residency_set("set").unwrap();
        set.add_allocation(&bench.buffer);
        set.add_allocation(&bench.buffer);
    }
    a_removal_without_addition: "removed from a residency set without it", |bench, _commands| {
        bench.device.new_residency_set("set").unwrap().remove_allocation(&bench.buffer);
    }
    an_empty_buffer: "a buffer of 0 bytes", |bench, _commands| {
        bench.device.new_buffer(0, Storage::Shared, "x");
    }
    managed_storage_of_a_unified_device: "managed storage where memory is unified", |bench, _commands| {
        bench.device.new_buffer(16, Storage::Managed, "x");
    }
    parts_of_pages: "not of whole pages", |bench, _commands| {
        let start = NonNull::new(std::ptr::without_provenance_mut(4096 + 8)).unwrap();
        // SAFETY: it panics before.
        unsafe { bench.device.new_buffer_no_copy(start, 4096, "x") };
    }
    contents_of_private_memory: "the host reaches no private buffer", |bench, _commands| {
        bench.device.new_buffer(16, Storage::Private, "x").unwrap().contents();
    }
    a_synchronised_shared_buffer: "only managed buffers are synchronised", |bench, commands| {
        commands.synchronize("copy", &bench.buffer);
    }
    a_modified_shared_buffer: "only managed buffers are told of writes", |bench, _commands| {
        bench.buffer.did_modify_range(0, 4);
    }
    a_modification_outside: "a write outside of a buffer", |_bench, _commands| {
        discrete().1.did_modify_range(12, 8);
    }
    a_copy_outside: "a copy of 8 bytes at 12 is outside", |bench, commands| {
        // SAFETY: it panics before.
        unsafe { commands.copy("copy", (&bench.buffer, 0), (&bench.buffer, 12), 8) };
    }
    a_copy_of_parts_of_words: "a copy of 6 bytes at 0 is not of whole words", |bench, commands| {
        // SAFETY: it panics before.
        unsafe { commands.copy("copy", (&bench.buffer, 0), (&bench.buffer, 8), 6) };
    }
    a_constant_of_another_type: "a value of another type than constant 0", |bench, _commands| {
        let constant = FunctionConstant { ty: DataType(3), ..BY.0 };
        let _ = bench.library.new_function_with_constants("twice", &[(constant, BY.1)]);
    }
    an_archive_of_another_device: "a binary archive of another device", |bench, _commands| {
        let (_folder, _file, archive) = written(&bench);
        let function = bench.library.new_function_with_constants("twice", &[BY]).unwrap();
        let _ = discrete().0.new_compute_pipeline_state(&function, "twice", Lookup::First(&archive));
    }
    an_archive_over_its_own_file: "written over the file that it was opened from", |bench, _commands| {
        let (_folder, file, archive) = written(&bench);
        let _ = archive.serialize(&file);
    }
    an_archive_whose_file_is_gone: "the file of a binary archive is removed before the archive", |bench, _commands| {
        let (_folder, file, archive) = written(&bench);
        std::fs::remove_file(file).unwrap();
        drop(archive);
    }
    an_archive_without_a_label: "a binary archive has a label", |bench, _commands| {
        let _ = bench.device.new_binary_archive(None, "");
    }
    a_pointer_to_what_is_not_resident: "an argument points to a buffer that is not resident", |bench, commands| {
        let target = bench.device.new_buffer(16, Storage::Shared, "target").unwrap();
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        encoder.set_bytes(&(target.gpu_address() + 4).to_ne_bytes(), 1);
        encoder.dispatch_threads([1, 1, 1], [1, 1, 1]);
    }
    a_pointer_in_a_buffer: "an argument points to a buffer that is not resident", |bench, commands| {
        let target = bench.device.new_buffer(16, Storage::Shared, "target").unwrap();
        // SAFETY: the buffer has room for it, and nobody else uses it.
        unsafe { bench.buffer.contents().cast::<u64>().write(target.gpu_address()) };
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        encoder.dispatch_threads([1, 1, 1], [1, 1, 1]);
    }
    a_buffer_reached_and_released_in_flight: "a buffer is released while 1 command buffers", |bench, commands| {
        let target = bench.device.new_buffer(16, Storage::Shared, "target").unwrap();
        let encoder = begin(&bench, &commands);
        bind(&encoder, &bench.buffer, 0);
        // SAFETY: it panics before the launch.
        unsafe { encoder.use_resource(&target, false) };
        encoder.dispatch_threads([1, 1, 1], [1, 1, 1]);
        encoder.end_encoding();
        commands.commit();
        drop(target);
    }
    an_encoder_without_a_label: "an encoder has a label", |_bench, commands| {
        commands.compute_command_encoder("", None);
    }
    a_command_buffer_without_a_label: "a command buffer has a label", |bench, _commands| {
        bench.queue.command_buffer("");
    }
}

#[test]
#[should_panic(expected = "no pool in place")]
fn no_autorelease_pool() {
    Mock::create_system_default_device();
}
