//! What rotations refuse.

use super::{device, f32s, i32s, refused};
use mettle_kernels::ops::{
    self, EachHead, HeadNormRope, MultiRope, NormWeight, Pairing, Rope, RopeConfig, SectionLayout,
    Sections,
};

#[test]
fn rotation() {
    let d = device();
    let plain = RopeConfig::new(Pairing::HalfSplit, 32, 1e4);
    for (argument, config) in [
        ("dims", RopeConfig { dims: 31, ..plain }),
        ("dims", RopeConfig { dims: 0, ..plain }),
        (
            "freq_factors",
            RopeConfig {
                freq_factors: Some(&[1.0; 15]),
                ..plain
            },
        ),
        ("config", RopeConfig { base: 0.0, ..plain }),
        (
            "config",
            RopeConfig {
                scale: f64::NAN,
                ..plain
            },
        ),
    ] {
        refused("rope", argument, |_| Rope::new(&d, &config).map(drop));
    }
    let rope = Rope::new(&d, &plain).unwrap();
    refused("rope", "x", |p| {
        ops::rope(p, &mut f32s(&d, [2, 32]), &i32s(&d, 2), &rope)
    });
    refused("rope", "x", |p| {
        ops::rope(p, &mut f32s(&d, [2, 4, 30]), &i32s(&d, 2), &rope)
    });
    refused("rope", "positions", |p| {
        ops::rope(p, &mut f32s(&d, [2, 4, 32]), &i32s(&d, 3), &rope)
    });
    for (pairs, layout) in [
        ([0, 0, 4, 4], SectionLayout::Contiguous),
        ([9, 1, 0, 0], SectionLayout::Restarted),
    ] {
        let sections = Sections { pairs, layout };
        refused("rope", "sections", |_| {
            MultiRope::new(&d, &plain, sections).map(drop)
        });
    }
    let sections = Sections {
        pairs: [8, 4, 4, 0],
        layout: SectionLayout::Contiguous,
    };
    let multi = MultiRope::new(&d, &plain, sections).unwrap();
    refused("rope", "positions", |p| {
        ops::rope_multi(p, &mut f32s(&d, [2, 4, 32]), &i32s(&d, 2), &multi)
    });
    let mut heads = f32s(&d, [2, 4, 32]);
    let positions = i32s(&d, 2);
    let rotation = Some((&rope, &positions));
    let turned = HeadNormRope {
        rotation,
        ..HeadNormRope::default()
    };
    refused("head_norm_rope", "query", |p| {
        ops::head_norm_rope(p, &mut f32s(&d, [2, 32]), None, turned)
    });
    refused("head_norm_rope", "query", |p| {
        ops::head_norm_rope(p, &mut f32s(&d, [2, 4, 30]), None, turned)
    });
    refused("head_norm_rope", "key", |p| {
        ops::head_norm_rope(p, &mut heads, Some(&mut f32s(&d, [3, 4, 32])), turned)
    });
    refused("head_norm_rope", "positions", |p| {
        ops::head_norm_rope(p, &mut f32s(&d, [3, 4, 32]), None, turned)
    });
    let weight = f32s(&d, [32]);
    let normed = |query, key, eps| HeadNormRope {
        norm: Some(EachHead { query, key, eps }),
        ..HeadNormRope::default()
    };
    let times = NormWeight::Times(&weight);
    refused("head_norm_rope", "eps", |p| {
        ops::head_norm_rope(p, &mut heads, None, normed(times, times, -1.0))
    });
    refused("head_norm_rope", "", |p| {
        let key = Some(&mut heads);
        let way = normed(times, NormWeight::None, 0.0);
        ops::head_norm_rope(p, &mut f32s(&d, [2, 4, 32]), key, way)
    });
    let few = f32s(&d, [31]);
    refused("head_norm_rope", "query_weight", |p| {
        let few = NormWeight::Times(&few);
        ops::head_norm_rope(p, &mut heads, None, normed(few, few, 0.0))
    });
}
