//! New inputs from old ones.

/// Random numbers that begin the same way for the same seed (splitmix64).
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// The bytes that an input may grow to.
const INPUT_BYTES_MAX: usize = 16 << 10;

/// Makes inputs from a pool of others and from the words of a language.
pub(crate) struct Mutator<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) pool: &'a [Vec<u8>],
    pub(crate) words: &'static [&'static str],
}

impl Mutator<'_> {
    /// Makes one input: words put together, or one of the pool after a few changes.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        if self.random.below(5) == 0 {
            let count = 1 + self.random.below(14);
            return (0..count).flat_map(|_| self.word()).collect();
        }
        let mut input = self.random.pick(self.pool).cloned().unwrap_or_default();
        for _ in 0..1 + self.random.below(5) {
            self.change(&mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn word(&mut self) -> Vec<u8> {
        self.random.pick(self.words).map(|word| word.as_bytes().to_vec()).unwrap_or_default()
    }

    fn range(&mut self, length: usize, most: usize) -> std::ops::Range<usize> {
        let from = self.random.below(length + 1);
        let to = (from + self.random.below(most + 1)).min(length);
        from..to
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let length = input.len();
        match self.random.below(9) {
            0 | 1 => {
                let (at, word) = (self.random.below(length + 1), self.word());
                input.splice(at..at, word);
            }
            2 => {
                let range = self.range(length, 8);
                input.drain(range);
            }
            3 => {
                let range = self.range(length, 8);
                let word = self.word();
                input.splice(range, word);
            }
            4 => {
                let (range, at) = (self.range(length, 60), self.random.below(length + 1));
                let copy = input[range].to_vec();
                input.splice(at..at, copy);
            }
            5 => {
                let other = self.random.pick(self.pool).cloned().unwrap_or_default();
                let (range, at) = (self.range(other.len(), 80), self.random.below(length + 1));
                input.splice(at..at, other[range].iter().copied());
            }
            6 if length > 0 => {
                let (at, bit) = (self.random.below(length), self.random.below(8));
                input[at] ^= 1 << bit;
            }
            7 => input.truncate(self.random.below(length + 1)),
            _ => {
                let (at, word) = (self.random.below(length + 1), self.word());
                let count = 1 + self.random.below(30);
                input.splice(at..at, word.repeat(count));
            }
        }
    }
}
