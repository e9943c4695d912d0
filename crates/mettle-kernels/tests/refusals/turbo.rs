//! Of caches in the blocks of TurboQuant, which are made for heads of one size.

use super::{device, f32s, i32s, refused};
use mettle_gpu::{Format, Tensor, Turbo};
use mettle_kernels::ops::{
    self, Attention, CacheRows, Fusion, Pairing, ProjectedHeads, Rope, RopeConfig,
};

#[test]
fn blocks_of_another_head() {
    let d = device();
    let blocks = Format::Turbo(Turbo::new(4, 64).unwrap());
    let cache = || Tensor::empty_as(&d, blocks, [9, 2, 128]).unwrap();
    let rows = || f32s(&d, [1, 2, 128]);
    let places = i32s(&d, 1);
    refused("kv_append", "cache_k", |p| {
        ops::kv_append(p, &rows(), &rows(), &mut cache(), &mut cache(), &places)
    });
    refused("attention", "cache_k", |p| {
        let options = Attention {
            scale: 1.0,
            window: None,
            softcap: None,
            sinks: None,
        };
        ops::attention(
            p,
            &rows(),
            &cache(),
            &cache(),
            &places,
            &options,
            &mut rows(),
        )
    });
    let rope = Rope::new(&d, &RopeConfig::new(Pairing::HalfSplit, 128, 1e4)).unwrap();
    refused("qk_norm_rope_append", "cache_k", |p| {
        let heads = ProjectedHeads {
            query: Some(&mut rows()),
            key: &mut rows(),
            value: &mut rows(),
            biases: None,
        };
        let cache = CacheRows {
            keys: &mut cache(),
            values: &mut cache(),
            positions: &places,
            ring: None,
        };
        ops::qk_norm_rope_append(p, Fusion::On, None, &rope, heads, cache)
    });
}
