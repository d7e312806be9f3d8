//! A row that can be told from every other, and the answer that only it can get.
//!
//! The simulated accelerator answers a row with its first four numbers and the sum of the others. The first two say which request it is
//! of, the third which row, the fourth which texture the others were taken from. So an answer that was swapped, doubled or mixed from two
//! rows is seen. All numbers are multiples of 1/256 small enough for the sum to be exact in any order.

/// Numbers in a row: the inner shape of input `x`.
pub const COLUMNS: usize = 64;
/// Numbers in an answer: the inner shape of output `y`.
pub const ANSWERED: usize = 5;
/// Different fillings, so that no cache on the way sees the same body again and again.
pub const TEXTURES: usize = 64;
/// Both halves of a request's number are written as this plus a number below it: always seven digits, always exact in FP32.
const HALF: u64 = 1_000_000;

/// Which row of which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Below 10¹².
    pub number: u64,
    pub row: usize,
}

impl Tag {
    /// The request's number as two numbers of seven digits.
    pub fn halves(number: u64) -> (u32, u32) {
        let half = |n: u64| u32::try_from(HALF + n % HALF).unwrap_or(0);
        (half(number), half(number / HALF))
    }

    pub fn texture(&self) -> usize {
        usize::try_from(self.number).unwrap_or(0).wrapping_add(self.row) % TEXTURES
    }

    /// The whole row.
    pub fn cells(&self) -> [f32; COLUMNS] {
        let (low, high) = Tag::halves(self.number);
        let texture = self.texture();
        let mut cells = [0.0; COLUMNS];
        for (column, cell) in cells.iter_mut().enumerate() {
            *cell = match column {
                0 => low as f32,
                1 => high as f32,
                2 => self.row as f32,
                3 => texture as f32,
                _ => grain(texture, column),
            };
        }
        cells
    }

    /// What the accelerator must answer to [`Tag::cells`].
    pub fn answer(&self) -> [f32; ANSWERED] {
        answer(&self.cells())
    }
}

/// A number between 0 and 1 with eight binary places.
fn grain(texture: usize, column: usize) -> f32 {
    let mixed = (texture * COLUMNS + column + 1).wrapping_mul(0x9E37_79B1);
    ((mixed >> 11) % 256) as f32 / 256.0
}

/// The accelerator's "model".
pub fn answer(row: &[f32]) -> [f32; ANSWERED] {
    let mut answer = [0.0; ANSWERED];
    for (to, from) in answer.iter_mut().zip(row.iter().take(ANSWERED - 1)) {
        *to = *from;
    }
    if let Some(last) = answer.last_mut() {
        *last = row.iter().skip(ANSWERED - 1).sum();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_an_answer_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for number in (0..5000).chain(999_990..1_000_010).chain([999_999_999_999]) {
            for row in [0, 1, 31] {
                let answer = Tag { number, row }.answer().map(f32::to_bits);
                assert!(seen.insert(answer), "request {number} row {row}");
            }
        }
    }

    #[test]
    fn the_sum_is_exact_in_any_order() {
        for number in 0..TEXTURES as u64 {
            let mut cells = Tag { number, row: 0 }.cells();
            let forwards = answer(&cells)[4];
            cells[4..].reverse();
            assert_eq!(answer(&cells)[4], forwards);
            assert!(forwards > 10.0, "a texture that sums to almost nothing proves little");
        }
    }
}
