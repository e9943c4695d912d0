//! What memory is called, with the stand-in.

use super::Memory;
use crate::metal::mock::{Labels, Mock};
use crate::{Buffer, Device, Format, Tensor};

fn labels<T>(buffer: &Buffer<T>) -> Labels {
    // SAFETY: the buffer is of the stand-in's device, and lives.
    let memory = unsafe { Memory::<Mock>::of(buffer.storage().raw.handle) };
    memory.buffer.labels()
}

#[test]
fn memory_is_called_by_what_it_is_for() {
    let device = Device::open("metal".parse().unwrap()).unwrap();
    let plain = device.buffer::<f32>(100).unwrap();
    assert_eq!(labels(&plain).whole, "100 values of f32");
    let shape = [4, 64];
    let tensor = Tensor::empty_as(&device, Format::F16, shape).unwrap();
    let tensor = tensor.labelled("cached keys");
    let bytes = tensor.bytes();
    assert_eq!(labels(bytes).whole, "cached keys");
    let rows = tensor.rows_range(1..3).unwrap().labelled("two rows");
    let parts = labels(bytes).parts;
    assert_eq!(parts, [(128, 256, "two rows".to_owned())]);
    // Memory that is used again is for something else.
    let handle = bytes.storage().raw.handle;
    drop((tensor, rows));
    let again = device.buffer::<u8>(512).unwrap();
    assert_eq!(again.storage().raw.handle, handle);
    let Labels { whole, parts } = labels(&again);
    assert_eq!((whole.as_str(), parts.len()), ("512 values of u8", 0));
}
