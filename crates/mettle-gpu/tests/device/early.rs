//! Kernels that read arguments before the launches that they wait for are through, where the device lets them begin.

use mettle_gpu::{Buffer, Grid};

use crate::common::{device, pipeline};

/// What a launch of the same pass writes is read after it has been written, also by a launch that waits for another one in between.
#[test]
fn nothing_is_read_before_it_is_written() {
    const N: usize = 4096;
    /// A submission that comes again runs as a graph on NVIDIA GPUs.
    const SUBMISSIONS: usize = 4;
    let device = device();
    let fill = pipeline(&device, "early", "fill_late");
    let add = pipeline(&device, "early", "add_early");
    let turns = device.upload(&[20_000_u32]).unwrap();
    let ones = device.upload(&[1.0_f32; N]).unwrap();
    let w: Buffer<f32> = device.zeros(N).unwrap();
    let sums: Vec<Buffer<f32>> = (0..3).map(|_| device.zeros(N).unwrap()).collect();
    let grid = || Grid::elements(N).threads(256);
    for submission in 1..=SUBMISSIONS {
        let value = submission as f32;
        let mut pass = device.pass();
        pass.dispatch_pipeline(&fill, grid(), |arguments| {
            arguments.write(0, "w", &w);
            arguments.value(1, "value", &value);
            arguments.read(2, "turns", &turns);
        })
        .unwrap();
        // The first waits for `w`, the second for the first and not for `w` by itself, the third reads another thing early.
        for (weights, x, out) in [(&w, &ones, 0), (&w, &sums[0], 1), (&ones, &sums[1], 2)] {
            pass.dispatch_pipeline(&add, grid(), |arguments| {
                arguments.read(0, "w", weights);
                arguments.read(1, "x", x);
                arguments.write(2, "out", &sums[out]);
            })
            .unwrap();
        }
        pass.submit().unwrap().wait().unwrap();
        for (sum, expected) in sums
            .iter()
            .zip([value + 1.0, 2.0 * value + 1.0, 2.0 * value + 2.0])
        {
            assert_eq!(
                sum.read().unwrap(),
                [expected; N],
                "submission {submission}"
            );
        }
    }
}
