//! How fast `mul_mat` reads weights of each format on this machine.
//!
//! `cargo run --release -p mettle-kernels --example mul_mat_speed [columns of x]`
//!
//! Two sizes: weights of half a gigabyte, read from memory as in decoding a large model, and weights that stay in the
//! caches.

use mettle_gpu::{Device, Format, Preference, Tensor};
use mettle_kernels::ops::{self, FORMATS};
use std::error::Error;
use std::time::Instant;

const K: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let m: usize = std::env::args().nth(1).map_or(Ok(1), |m| m.parse())?;
    let device = Device::open(Preference::Auto)?;
    println!("{}, k = {K}, {m} columns; best of 10", device.name());
    for format in FORMATS {
        print!("{:>5}", format.name());
        for (place, bytes) in [("memory", 512 << 20), ("cache", 1 << 20)] {
            let rows = bytes / format.row_bytes(K)?;
            let seconds = time(&device, format, rows, m)?;
            let read = (rows * format.row_bytes(K)?) as f64;
            let products = (rows * K * m) as f64;
            print!(
                "   {place} {:6.2} GB/s {:6.2} G products/s",
                read / seconds / 1e9,
                products / seconds / 1e9
            );
        }
        println!();
    }
    Ok(())
}

/// Seconds of the fastest of ten products.
fn time(device: &Device, format: Format, rows: usize, m: usize) -> Result<f64, Box<dyn Error>> {
    // Any bytes that are not zero pages will do; 0x3c3c is about one as a half, so that nothing is subnormal.
    let bytes = vec![0x3c; rows * format.row_bytes(K)?];
    let w = Tensor::quantized(device, format, &bytes, [rows, K])?;
    drop(bytes);
    let x = Tensor::from_slice(device, &vec![0.5f32; m * K], [m, K])?;
    let mut out = Tensor::zeros::<f32>(device, [m, rows])?;
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let mut pass = device.pass();
        ops::mul_mat(&mut pass, &w, &x, &mut out)?;
        let start = Instant::now();
        pass.submit()?.wait()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
