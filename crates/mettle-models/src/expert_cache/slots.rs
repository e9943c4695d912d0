//! Which slots of a layer hold which experts, and which is given to another.

use mettle_kernels::ops::ExpertSlot;

/// Slots of a layer; the expert used longest ago makes room for another.
#[derive(Debug)]
pub(super) struct Slots {
    /// The expert in each.
    held: Vec<Option<u32>>,
    /// When each was used last, in passes over the layer; 0 for never.
    used: Vec<u64>,
    passes: u64,
    /// The slot of each expert.
    of_expert: Vec<Option<u32>>,
}

/// Where the experts of a pass are, and are to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// In their slots already.
    pub(super) present: Vec<ExpertSlot>,
    /// To be read, in this order. So many in a row as there are slots have different ones.
    pub(super) missing: Vec<ExpertSlot>,
}

impl Slots {
    pub(super) fn new(slots: usize, experts: usize) -> Self {
        Self {
            held: vec![None; slots],
            used: vec![0; slots],
            passes: 0,
            of_expert: vec![None; experts],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Plans a pass of tokens for which these experts were chosen, which are fewer than there are slots or more. Slots of present ones are the last
    /// to be given to others: these have been computed by then.
    pub(super) fn plan(&mut self, chosen: &[u32]) -> Plan {
        self.passes += 1;
        let mut wanted = chosen.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let slot_of = |expert: u32| self.of_expert.get(expert as usize).copied().flatten();
        let (mut present, mut missing) = (Vec::new(), Vec::new());
        for expert in wanted {
            match slot_of(expert) {
                Some(slot) => present.push(ExpertSlot { expert, slot }),
                None => missing.push(expert),
            }
        }
        for expert in &present {
            self.used[expert.slot as usize] = self.passes;
        }
        let mut oldest_first: Vec<u32> = (0..self.held.len() as u32).collect();
        oldest_first.sort_by_key(|&slot| self.used[slot as usize]);
        let slots = oldest_first.into_iter().cycle();
        let with_slot = |(expert, slot)| ExpertSlot { expert, slot };
        let missing = missing.into_iter().zip(slots).map(with_slot).collect();
        Plan { present, missing }
    }

    /// The slot is being written: it holds nothing until it is [`fill`](Self::fill)ed.
    pub(super) fn empty(&mut self, slot: u32) {
        if let Some(expert) = self.held[slot as usize].take() {
            self.of_expert[expert as usize] = None;
        }
    }

    /// The slot holds the expert.
    pub(super) fn fill(&mut self, ExpertSlot { expert, slot }: ExpertSlot) {
        self.held[slot as usize] = Some(expert);
        self.used[slot as usize] = self.passes;
        self.of_expert[expert as usize] = Some(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experts(list: &[ExpertSlot]) -> Vec<u32> {
        list.iter().map(|at| at.expert).collect()
    }

    /// Plans a pass and reads what is missing.
    fn pass(slots: &mut Slots, chosen: &[u32]) -> [Vec<u32>; 2] {
        let plan = slots.plan(chosen);
        for &at in &plan.missing {
            slots.empty(at.slot);
            slots.fill(at);
        }
        [experts(&plan.present), experts(&plan.missing)]
    }

    #[test]
    fn the_expert_used_longest_ago_makes_room() {
        let mut slots = Slots::new(3, 8);
        assert_eq!(pass(&mut slots, &[5, 2]), [vec![], vec![2, 5]]);
        assert_eq!(pass(&mut slots, &[2, 7, 2]), [vec![2], vec![7]]);
        // 5 was used in the first pass only.
        assert_eq!(pass(&mut slots, &[1]), [vec![], vec![1]]);
        assert_eq!(pass(&mut slots, &[2, 7]), [vec![2, 7], vec![]]);
        assert_eq!(pass(&mut slots, &[5]), [vec![], vec![5]]);
        assert_eq!(pass(&mut slots, &[1, 2, 7]), [vec![2, 7], vec![1]]);
    }

    #[test]
    fn more_experts_than_slots_take_turns() {
        let mut slots = Slots::new(3, 8);
        pass(&mut slots, &[6]);
        let plan = slots.plan(&[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(experts(&plan.present), [6]);
        for in_a_row in plan.missing.windows(3) {
            let mut used: Vec<u32> = in_a_row.iter().map(|at| at.slot).collect();
            used.sort_unstable();
            assert_eq!(used, [0, 1, 2]);
        }
        // The one that is present makes room last.
        assert_eq!(plan.missing[2].slot, plan.present[0].slot);
    }

    /// What a slot held is gone once it is written, whether the new expert came or not.
    #[test]
    fn a_slot_that_was_not_filled_holds_nothing() {
        let mut slots = Slots::new(1, 4);
        pass(&mut slots, &[3]);
        let plan = slots.plan(&[0]);
        slots.empty(plan.missing[0].slot);
        assert_eq!(pass(&mut slots, &[3]), [vec![], vec![3]]);
    }
}
