//! Memory: typed buffers, the pool, mapped files, tensors.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
use mettle_gpu::{Error, Format, Grid, LaunchError, Tensor};

use crate::common::{cpu, device, launch, pipeline};

#[test]
fn round_trips_and_views() {
    let device = device();
    let mut buffer = device.upload(&[1u32, 2, 3, 4, 5]).unwrap();
    assert_eq!(buffer.read().unwrap(), [1, 2, 3, 4, 5]);
    let mut middle = buffer.slice(1..4).unwrap();
    middle.write(&[20, 30, 40]).unwrap();
    assert_eq!(buffer.read().unwrap(), [1, 20, 30, 40, 5]);
    assert_eq!(middle.slice(1..2).unwrap().read().unwrap(), [30]);
    assert!(middle.overlaps(&buffer) && !middle.overlaps(&buffer.slice(4..5).unwrap()));
    buffer.fill_bytes(0xff).unwrap();
    assert_eq!(middle.read().unwrap(), [u32::MAX; 3]);

    let bytes = buffer.cast::<u8>().unwrap();
    assert_eq!((bytes.len(), bytes.byte_len()), (20, 20));
    assert!(matches!(
        bytes.slice(2..20).unwrap().cast::<u32>(),
        Err(Error::Cast { .. })
    ));
    assert!(matches!(
        bytes.slice(0..19).unwrap().cast::<u32>(),
        Err(Error::Cast { .. })
    ));
    assert!(matches!(bytes.cast::<()>(), Err(Error::Cast { .. })));
    assert_eq!(
        bytes.slice(4..8).unwrap().cast::<[u16; 2]>().unwrap().len(),
        1
    );

    for range in [0..6, 6..7, Range { start: 4, end: 3 }] {
        assert!(matches!(
            buffer.slice(range),
            Err(Error::Range { len: 5, .. })
        ));
    }
    assert!(matches!(buffer.write(&[0; 4]), Err(Error::Length { .. })));
    assert!(matches!(
        buffer.read_into(&mut [0; 6]),
        Err(Error::Length { .. })
    ));
    assert!(device.zeros::<f32>(0).unwrap().read().unwrap().is_empty());
    assert!(matches!(device.buffer::<()>(3), Err(Error::Cast { .. })));
}

#[test]
fn the_pool_reuses_and_zeroes() {
    let device = device();
    let first = device.upload(&[7u8; 10_000]).unwrap();
    drop(first);
    let stats = device.pool_stats();
    assert_eq!((stats.misses, stats.hits, stats.live_bytes), (1, 0, 0));
    assert!(stats.pooled_bytes >= 10_000 && stats.peak_bytes == stats.pooled_bytes);
    let second = device.zeros::<u8>(10_100).unwrap();
    assert_eq!(device.pool_stats().hits, 1);
    assert!(second.read().unwrap().iter().all(|&byte| byte == 0));
    drop(second);
    device.trim();
    assert_eq!(device.pool_stats().pooled_bytes, 0);
}

#[test]
fn too_much_memory() {
    let device = device();
    let memory = device.memory();
    assert!(memory.available <= memory.total);
    let Err(Error::OutOfMemory {
        needed, available, ..
    }) = device.buffer::<u8>(memory.total as usize * 2)
    else {
        panic!("twice the machine's memory was allocated");
    };
    assert!(needed >= memory.total * 2 && available <= memory.total && available > 0);
    assert!(matches!(
        device.buffer::<u64>(usize::MAX / 8),
        Err(Error::BufferTooLarge { .. })
    ));
    assert!(matches!(
        device.buffer::<u64>(usize::MAX),
        Err(Error::BufferTooLarge { .. })
    ));
}

fn mapped(values: &[f32], skip: usize) -> Arc<Mmap> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![0; skip]).unwrap();
    file.write_all(bytemuck::cast_slice(values)).unwrap();
    // SAFETY: the file has no name, so nobody else can change it.
    Arc::new(unsafe { Mmap::map(&file) }.unwrap())
}

#[test]
fn mapped_files_are_read_in_place() {
    let Some(device) = cpu() else { return };
    let add = pipeline(&device, "elementwise", "add");
    let values: Vec<f32> = (0..5000).map(|i| i as f32).collect();
    let file = mapped(&values, 32);
    let len = file.len();
    let before = device.pool_stats();
    let bytes = device.map(file.clone(), 32..len).unwrap();
    assert_eq!(device.pool_stats(), before, "nothing was allocated");
    let buffer = bytes.cast::<f32>().unwrap();
    let out = device.zeros::<f32>(5000).unwrap();
    launch(
        &device,
        &add,
        Grid::elements(5000).threads(100),
        |arguments| {
            arguments.read(0, "a", &buffer);
            arguments.read(1, "b", &buffer);
            arguments.write(2, "out", &out);
        },
    )
    .unwrap();
    assert_eq!(out.read().unwrap()[4999], 9998.0);

    assert!(buffer.is_read_only());
    assert_eq!(buffer.clone().write(&values), Err(Error::ReadOnly));
    assert_eq!(buffer.clone().fill_bytes(0), Err(Error::ReadOnly));
    let error = launch(
        &device,
        &add,
        Grid::elements(5000).threads(100),
        |arguments| {
            arguments.read(0, "a", &out);
            arguments.read(1, "b", &out);
            arguments.write(2, "out", &buffer);
        },
    )
    .unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Launch {
                cause: LaunchError::ReadOnly { argument },
                ..
            } if argument == "out"
        ),
        "{error}"
    );
    assert!(matches!(
        device.map(file.clone(), 0..len + 1),
        Err(Error::Range { .. })
    ));
    // The address of an odd start is not aligned for floats.
    assert!(matches!(
        device.map(file, 33..37).unwrap().cast::<f32>(),
        Err(Error::Cast { .. })
    ));
}

#[test]
fn tensors_check_their_size() {
    let device = device();
    let x = Tensor::from_slice(&device, &[1.0f32; 12], [3, 4]).unwrap();
    assert_eq!(
        (x.rows(), x.columns(), x.len(), x.format()),
        (3, 4, 12, Format::F32)
    );
    assert!(matches!(
        Tensor::from_slice(&device, &[1.0f32; 11], [3, 4]),
        Err(Error::Shape { .. })
    ));
    let q = Tensor::quantized(&device, Format::Q4_0, &[0; 36 * 5], [5, 64]).unwrap();
    assert_eq!(
        (q.row_bytes(), q.byte_len(), q.stride_bytes(0)),
        (36, 180, 36)
    );
    assert!(Tensor::quantized(&device, Format::Q4_0, &[0; 36], [1, 63]).is_err());
    assert!(Tensor::quantized(&device, Format::Q4_0, &[0; 35], [1, 64]).is_err());
    assert!(Tensor::zeros::<f32>(&device, [usize::MAX, usize::MAX]).is_err());
    assert_eq!(
        Tensor::zeros::<f32>(&device, [0, usize::MAX / 8, 4])
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn tensors_are_viewed_by_type() {
    let device = device();
    let x = Tensor::from_slice(&device, &[1i32, 2, 3, 4], [2, 2]).unwrap();
    assert_eq!(x.buffer::<i32>().unwrap().len(), 4);
    assert_eq!(x.buffer::<[i32; 4]>().unwrap().len(), 1);
    assert!(matches!(
        x.buffer::<f32>(),
        Err(Error::Format { actual: "I32", .. })
    ));
    assert!(matches!(x.to_vec::<u32>(), Err(Error::Format { .. })));
    let q = Tensor::quantized(&device, Format::Q8_0, &[0; 34 * 6], [3, 64]).unwrap();
    assert_eq!(q.buffer::<[u8; 34]>().unwrap().len(), 6);
    assert!(q.buffer::<[u8; 18]>().is_err());
    assert!(q.buffer::<u8>().is_err(), "bytes are asked for by `bytes`");
    assert_eq!(q.bytes().len(), 204);
}

#[test]
fn tensors_are_sliced() {
    let device = device();
    let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let x = Tensor::from_slice(&device, &values, [2, 3, 4]).unwrap();
    assert_eq!(x.batch(1).unwrap().to_vec::<f32>().unwrap(), values[12..]);
    assert_eq!(*x.batch(1).unwrap().shape(), [3, 4]);
    assert_eq!(
        x.rows_range(1..2).unwrap().to_vec::<f32>().unwrap(),
        values[12..]
    );
    assert_eq!(x.rows_range(2..2).unwrap().len(), 0);
    assert_eq!(
        x.reshape([6, 4])
            .unwrap()
            .rows_range(1..3)
            .unwrap()
            .to_vec::<f32>()
            .unwrap(),
        values[4..12]
    );
    assert_eq!(
        x.reshape([24])
            .unwrap()
            .rows_range(5..7)
            .unwrap()
            .to_vec::<f32>()
            .unwrap(),
        [5.0, 6.0]
    );

    let band = x.columns_range(1..3).unwrap();
    assert!(!band.is_dense());
    let expected: Vec<f32> = values
        .chunks(4)
        .flat_map(|row| row[1..3].to_vec())
        .collect();
    assert_eq!(band.to_vec::<f32>().unwrap(), expected);
    assert_eq!(
        band.batch(1).unwrap().to_vec::<f32>().unwrap(),
        expected[6..]
    );
    assert_eq!(
        (band.stride_bytes(0), band.stride_bytes(1), band.row_bytes()),
        (48, 16, 8)
    );
    assert!(band.reshape([12]).is_err());
    assert!(band.clone().write(&[0.0f32; 12]).is_err());

    let q = Tensor::quantized(&device, Format::Q4_0, &[0; 36 * 5], [5, 64]).unwrap();
    assert_eq!(q.columns_range(32..64).unwrap().row_bytes(), 18);
    assert!(q.columns_range(16..48).is_err());
    assert!(matches!(x.rows_range(1..3), Err(Error::Range { .. })));
    assert!(matches!(x.batch(2), Err(Error::Range { .. })));
    assert!(matches!(x.batch(usize::MAX), Err(Error::Range { .. })));
}
