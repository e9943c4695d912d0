//! The cases of attention over pages.

use super::sizes::Sizes;
use super::{Attention, Inputs, Path, mapped};
use crate::cases::{Expected, Run};
use crate::ops::kv_append::encoded;
use crate::ops::pages::{PageTables, Paged};
use crate::{Result, reference};
use mettle_gpu::{Format, Tensor};

/// Rows of a page, in cases and bench entries.
pub(super) const PAGE_SIZE: usize = 16;

/// Pages of the pool of cases.
const POOL: usize = 16;

/// Pages of the sequences of cases: more than others, one alone, and such as another sequence has, too.
const SEQUENCES: [&[u32]; 3] = [&[9, 2, 14, 0, 7], &[5], &[9, 2, 3, 12, 11, 15, 1]];

/// Runs a case over pages: token t is of sequence t modulo the number of them. What comes out is, bit for bit, what comes out over the same keys and values one
/// behind the other; pages and rows that no token sees are NaN.
pub(in crate::ops) fn check_paged(
    run: &mut Run<'_>,
    path: Path,
    format: Format,
    sizes: Sizes,
) -> Result<()> {
    let Sizes {
        heads,
        kv_heads,
        head_size,
        capacity,
        positions,
        window,
        ..
    } = sizes;
    let tokens = positions.len();
    let sequence_of = |token: usize| token % SEQUENCES.len();
    let page_of = |token: usize| {
        let position = usize::try_from(positions[token]).ok()?;
        let pages = SEQUENCES[sequence_of(token)];
        pages.get(position / PAGE_SIZE).copied()
    };
    let row_len = kv_heads * head_size;
    let row_bytes = row_len / format.block_len() * format.block_bytes();
    let mut seen = vec![false; POOL * PAGE_SIZE];
    for token in (0..tokens).filter(|&token| page_of(token).is_some()) {
        for j in (0..capacity).filter(|&j| reference::visible(positions[token], j, window)) {
            let page = SEQUENCES[sequence_of(token)][j / PAGE_SIZE] as usize;
            seen[page * PAGE_SIZE + j % PAGE_SIZE] = true;
        }
    }
    let mut pool = || -> Result<Vec<u8>> {
        let mut bytes = encoded(format, &run.rng().normal(seen.len() * row_len))?;
        for (row, _) in seen.iter().enumerate().filter(|(_, seen)| !**seen) {
            bytes[row * row_bytes..][..row_bytes].fill(0xff);
        }
        Ok(bytes)
    };
    let pools = [pool()?, pool()?];
    let shape = [tokens, heads, head_size];
    let q = run.rng().normal(tokens * heads * head_size);
    let q = run.input(&q, shape)?;
    let places = run.input(positions, [tokens])?;
    let sequences: Vec<u32> = (0..tokens).map(|token| sequence_of(token) as u32).collect();
    let sequences = run.input(&sequences, [tokens])?;
    let tables = PageTables::new(run.device(), PAGE_SIZE, POOL, &SEQUENCES)?;
    let options = Attention {
        scale: (head_size as f32).powf(-0.5),
        window,
        softcap: None,
        sinks: None,
    };

    let mut in_order = vec![Vec::new(); SEQUENCES.len()];
    for (sequence, found) in in_order.iter_mut().enumerate() {
        // Others may not see what this sequence has no pages for.
        let of_sequence: Vec<i32> = (0..tokens)
            .map(|token| match page_of(token) {
                Some(_) if sequence_of(token) == sequence => positions[token],
                _ => -1,
            })
            .collect();
        let places = run.input(&of_sequence, [tokens])?;
        let mut cache = |pool: &[u8]| -> Result<Tensor> {
            let mut rows = Vec::with_capacity(capacity * row_bytes);
            for &page in SEQUENCES[sequence] {
                rows.extend(
                    &pool[page as usize * PAGE_SIZE * row_bytes..][..PAGE_SIZE * row_bytes],
                );
            }
            rows.resize(capacity * row_bytes, 0xff);
            let (cache, _) = run.encoded(format, &rows, row_len)?;
            Ok(cache.reshape([capacity, kv_heads, head_size])?)
        };
        let (cache_k, cache_v) = (cache(&pools[0])?, cache(&pools[1])?);
        let mut out = run.output(Format::F32, shape)?;
        let inputs = Inputs::new(&q, &cache_k, &cache_v, &places);
        run.pass(|pass| mapped(pass, path, inputs, &options, &mut out))?;
        *found = out.to_vec::<f32>()?;
    }

    let mut pool = |bytes: &[u8]| -> Result<Tensor> {
        let (pool, _) = run.encoded(format, bytes, row_len)?;
        Ok(pool.reshape([POOL, PAGE_SIZE, kv_heads, head_size])?)
    };
    let (pool_k, pool_v) = (pool(&pools[0])?, pool(&pools[1])?);
    let mut out = run.output(Format::F32, shape)?;
    let inputs = Inputs {
        pages: Some(Paged {
            tables: &tables,
            sequence_of: &sequences,
        }),
        ..Inputs::new(&q, &pool_k, &pool_v, &places)
    };
    run.pass(|pass| mapped(pass, path, inputs, &options, &mut out))?;
    run.check(&out, || {
        let values_of_token = heads * head_size;
        let of_token = |token: usize| match page_of(token) {
            Some(_) => {
                let found = &in_order[sequence_of(token)][token * values_of_token..];
                found[..values_of_token]
                    .iter()
                    .map(|&x| Expected::exact(x))
                    .collect()
            }
            None => vec![Expected::exact(f64::NAN); values_of_token],
        };
        (0..tokens).flat_map(of_token).collect()
    })
}
