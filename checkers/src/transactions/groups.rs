//! Things grouped by key, one group behind the other in flat tables.

/// Where each group begins, and where the last one ends.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<u32>);

impl Groups {
    /// Groups of these sizes.
    pub(super) fn of_sizes(mut sizes: Vec<u32>) -> Groups {
        let mut start = 0;
        for size in &mut sizes {
            (start, *size) = (start + *size, start);
        }
        sizes.push(start);
        Groups(sizes)
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// Number of members of all groups.
    pub(super) fn total(&self) -> usize {
        self.0.last().map_or(0, |end| *end as usize)
    }

    /// Where a group begins.
    #[inline]
    pub(super) fn start(&self, group: usize) -> u32 {
        self.0[group]
    }

    /// Where its members stand.
    #[inline]
    pub(super) fn range(&self, group: usize) -> std::ops::Range<usize> {
        self.0[group] as usize..self.0[group + 1] as usize
    }

    /// The group of a member.
    pub(super) fn group_of(&self, member: usize) -> usize {
        self.0.partition_point(|start| *start as usize <= member) - 1
    }

    /// Where the next member of each group goes, for filling them in order.
    pub(super) fn cursors(&self) -> Vec<u32> {
        self.0[..self.len()].to_vec()
    }
}
