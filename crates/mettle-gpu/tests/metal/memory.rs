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

/// As the struct of the kernel.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Pointers {
    x: u64,
    y: u64,
}

const POINTERS: &str = "
struct Pointers { device const float* x; device float* y; };
kernel void by_value(constant Pointers& p [[buffer(0)]], uint i [[thread_position_in_grid]]) { p.y[i] = p.x[i] + 1; }
kernel void by_table(device const Pointers* p [[buffer(0)]], uint i [[thread_position_in_grid]]) { p[1].y[i] = p[0].x[i] * p[1].x[i]; }";

#[test]
fn kernels_follow_pointers_to_what_a_launch_names() {
    for device in devices() {
        let [by_value, by_table] =
            ["by_value", "by_table"].map(|name| pipeline(&device, POINTERS, name));
        let x = device.upload(&[1f32, 2.0, 3.0, 4.0]).unwrap();
        let wide = device.zeros::<f32>(6).unwrap();
        let y = wide.slice(2..6).unwrap();
        let out = device.zeros::<f32>(4).unwrap();
        let address = |buffer: &mettle_gpu::Buffer<f32>| buffer.device_address().unwrap();
        assert_eq!(address(&y), address(&wide) + 8);
        let table = [(&x, &x), (&y, &out)].map(|(x, y)| Pointers {
            x: address(x),
            y: address(y),
        });
        let first = Pointers {
            x: address(&x),
            y: address(&y),
        };
        let table = device.upload(&table).unwrap();
        let mut pass = device.pass();
        pass.dispatch_pipeline(&by_value, Grid::elements(4).threads(4), |arguments| {
            arguments.value(0, "p", &first);
            arguments.reach(1, &x, false);
            arguments.reach(2, &y, true);
        })
        .unwrap();
        pass.dispatch_pipeline(&by_table, Grid::elements(4).threads(4), |arguments| {
            arguments.read(0, "p", &table);
            arguments.reach(1, &x, false);
            arguments.reach(2, &y, false);
            arguments.reach(3, &out, true);
        })
        .unwrap();
        assert_eq!(pass.barriers(), 1);
        pass.submit().unwrap().wait().unwrap();
        assert_eq!(wide.read().unwrap(), [0.0, 0.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(out.read().unwrap(), [2.0, 6.0, 12.0, 20.0]);
    }
}
