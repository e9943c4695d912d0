//! The word from which workers take chunks of the open phase.

/// The number of a phase, its chunks and the next chunk, in one word: 24 bits for the phase, which no submission that fits into memory
/// exhausts, and 20 for each of the others, more than there are chunks and workers together.
#[derive(Clone, Copy)]
pub(super) struct Ticket(pub u64);

impl Ticket {
    const BITS: u32 = 20;
    const MASK: u64 = (1 << Self::BITS) - 1;

    pub fn new(phase: usize, chunks: u32) -> Self {
        Ticket((phase as u64) << (2 * Self::BITS) | u64::from(chunks) << Self::BITS)
    }

    pub fn phase(self) -> usize {
        (self.0 >> (2 * Self::BITS)) as usize
    }

    pub fn chunks(self) -> u32 {
        ((self.0 >> Self::BITS) & Self::MASK) as u32
    }

    pub fn next(self) -> u32 {
        (self.0 & Self::MASK) as u32
    }

    pub fn has_chunk(self) -> bool {
        self.next() < self.chunks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_mix() {
        let ticket = Ticket::new(77, 5);
        assert_eq!((ticket.phase(), ticket.chunks(), ticket.next()), (77, 5, 0));
        assert!(ticket.has_chunk());
        let exhausted = Ticket(ticket.0 + 9);
        assert_eq!(
            (exhausted.phase(), exhausted.chunks(), exhausted.next()),
            (77, 5, 9)
        );
        assert!(!exhausted.has_chunk());
    }
}
