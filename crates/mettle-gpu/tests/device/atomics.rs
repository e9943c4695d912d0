//! Atomic operations of many threads on the same variables.

use mettle_gpu::Grid;

use crate::common::{device, launch, pipeline};

#[test]
fn atomics_lose_nothing() {
    let device = device();
    let n = 1000usize;
    let unsigneds = device
        .upload(&[0u32, 5000, u32::MAX, 0, u32::MAX, 0, 0, 0, 0, 0])
        .unwrap();
    let signeds = device.upload(&[0i32, i32::MAX, i32::MIN, 0]).unwrap();
    let floats = device.upload(&[0f32, 0.0, 0.0, 21.0]).unwrap();
    let longs = device.upload(&[0u64, 0, u64::MAX]).unwrap();
    let flags = device.upload(&[0u8; 4]).unwrap();
    let tickets = device.zeros::<u32>(n).unwrap();
    let atomics = pipeline(&device, "atomics", "atomics");
    launch(
        &device,
        &atomics,
        Grid::elements(n).threads(64),
        |arguments| {
            arguments.write(0, "unsigneds", &unsigneds);
            arguments.write(1, "signeds", &signeds);
            arguments.write(2, "floats", &floats);
            arguments.write(3, "longs", &longs);
            arguments.write(4, "flags", &flags);
            arguments.write(5, "tickets", &tickets);
        },
    )
    .unwrap();
    let mut tickets = tickets.read().unwrap();
    tickets.sort_unstable();
    assert!(tickets.iter().copied().eq(0..n as u32));
    let unsigneds = unsigneds.read().unwrap();
    let xor = (0..n as u32).fold(0, |a, b| a ^ b);
    let sum = (n * (n - 1) / 2) as u32;
    let expected = [
        n as u32,
        5000u32.wrapping_sub(2000),
        7,
        999,
        0xffff_0000,
        u32::MAX,
        xor,
        sum,
    ];
    assert_eq!(unsigneds[..8], expected);
    assert_eq!(unsigneds[8] + unsigneds[9], sum);
    assert_eq!(
        signeds.read().unwrap(),
        [n as i32 * 999 / 2 - 500_000, -500, 499, -3]
    );
    assert_eq!(floats.read().unwrap(), [500.0, -250.0, 42.0, 21.0]);
    assert_eq!(longs.read().unwrap(), [1000 << 33, 999 << 40, 1 << 40]);
    assert_eq!(flags.read().unwrap()[0], 1);
}
