//! Memory for what products of many columns make on their way: rounded rows, halves of weights, and results whose k is shared.

use crate::Result;
use mettle_gpu::{Buffer, Element, Pass};

/// Bytes that parts of the memory begin at multiples of: what any kernel wants.
const ALIGNMENT: usize = 256;

/// Bytes from which on products take the scratch memory of their pass. Such fill a device, so that nothing is lost when they wait for each other; and as
/// buffers of their own they would all be taken until the pass is done.
const LARGE: usize = 1 << 20;

/// What is left of the memory of a product.
pub(in crate::ops) enum Memory {
    /// Buffers of the device: products overlap.
    Buffers,
    /// A part of the scratch memory of the pass, from byte `taken` on.
    Scratch { memory: Buffer<u8>, taken: usize },
}

impl Memory {
    /// That for so many parts of so many bytes each.
    pub fn of(pass: &mut Pass, parts: &[usize]) -> Result<Memory> {
        match Memory::scratch_bytes(parts) {
            0 => Ok(Memory::Buffers),
            bytes => Ok(Memory::Scratch {
                memory: pass.scratch(bytes)?,
                taken: 0,
            }),
        }
    }

    /// Bytes of scratch memory that such parts take together.
    pub fn scratch_bytes(parts: &[usize]) -> usize {
        let aligned = parts.iter().map(|part| part.next_multiple_of(ALIGNMENT));
        match aligned.sum() {
            bytes if bytes < LARGE => 0,
            bytes => bytes,
        }
    }

    /// The next part, of so many elements.
    pub fn take<T: Element>(&mut self, pass: &Pass, len: usize) -> Result<Buffer<T>> {
        match self {
            Memory::Buffers => Ok(pass.device().buffer(len)?),
            Memory::Scratch { memory, taken } => {
                let bytes = len * size_of::<T>();
                let part = memory.slice(*taken..*taken + bytes)?;
                *taken += bytes.next_multiple_of(ALIGNMENT);
                Ok(part.cast()?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mettle_gpu::{Device, Preference};

    #[test]
    fn large_products_take_one_memory() {
        let device = Device::open(Preference::Cpu).unwrap();
        let mut pass = device.pass();
        let parts = [LARGE, 3, 40];
        assert_eq!(Memory::scratch_bytes(&parts), LARGE + 2 * ALIGNMENT);
        let mut memory = Memory::of(&mut pass, &parts).unwrap();
        let first: Buffer<u8> = memory.take(&pass, LARGE).unwrap();
        let second: Buffer<u8> = memory.take(&pass, 3).unwrap();
        let third: Buffer<f32> = memory.take(&pass, 10).unwrap();
        assert_eq!((first.len(), second.len(), third.len()), (LARGE, 3, 10));
        let small = [40, 3];
        assert_eq!(Memory::scratch_bytes(&small), 0);
        let memory = Memory::of(&mut pass, &small).unwrap();
        assert!(matches!(memory, Memory::Buffers));
    }
}
