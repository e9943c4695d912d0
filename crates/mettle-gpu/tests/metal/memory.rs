//! Buffers.

use crate::{devices, pipeline};
use memmap2::Mmap;
use mettle_gpu::{Error, Grid};
use std::io::Write;
use std::sync::Arc;

#[test]
fn bytes_come_back() {
    for device in devices() {
        let mut buffer = device.zeros::<u32>(1000).unwrap();
        assert_eq!(buffer.read().unwrap(), vec![0; 1000]);
        let values: Vec<u32> = (0..1000).collect();
        buffer.write(&values).unwrap();
        assert_eq!(
            buffer.slice(100..300).unwrap().read().unwrap(),
            values[100..300]
        );
        buffer.slice(10..20).unwrap().write(&[7; 10]).unwrap();
        assert_eq!(
            buffer.read().unwrap()[8..22],
            [8, 9, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 20, 21]
        );
        assert!(device.memory().available < device.memory().total);
    }
}

const SUM: &str = "kernel void sum(device const uchar* x [[buffer(0)]], device uint* out [[buffer(1)]], \
    constant uint& n [[buffer(2)]]) { uint s = 0; for (uint i = 0; i < n; ++i) s += x[i]; out[0] = s; }";

#[test]
fn mapped_files_are_read_at_any_offset() {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
    file.write_all(&bytes).unwrap();
    // SAFETY: nobody else has the file.
    let map = Arc::new(unsafe { Mmap::map(&file) }.unwrap());
    for device in devices() {
        let sum = pipeline(&device, SUM, "sum");
        for range in [0..100_000, 1..4096, 4096..8192, 12_345..99_999] {
            let mut mapped = device.map(map.clone(), range.clone()).unwrap();
            assert_eq!(mapped.read().unwrap(), bytes[range.clone()]);
            let part = mapped.slice(5..1003).unwrap().read().unwrap();
            assert_eq!(part, bytes[range.clone()][5..1003]);
            let written = mapped.write(&bytes[range.clone()]);
            assert!(matches!(written, Err(Error::ReadOnly)), "{written:?}");
            let out = device.zeros::<u32>(1).unwrap();
            let mut pass = device.pass();
            pass.dispatch_pipeline(&sum, Grid::elements(1).threads(1), |arguments| {
                arguments.read(0, "x", &mapped);
                arguments.write(1, "out", &out);
                arguments.value(2, "n", &(range.len() as u32));
            })
            .unwrap();
            pass.submit().unwrap().wait().unwrap();
            let expected: u32 = bytes[range].iter().map(|&byte| u32::from(byte)).sum();
            assert_eq!(out.read().unwrap(), [expected]);
        }
    }
}
