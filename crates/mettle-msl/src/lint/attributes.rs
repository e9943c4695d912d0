//! Attributes that Metal does not know. Its compiler warns about them and goes on.

use super::Findings;
use super::code::Code;
use crate::reflect::BuiltinKind;

/// What Metal and C++ have besides the built-in inputs of kernels: function, argument, member and statement attributes (5.1 to 5.9).
const KNOWN: &[&str] = &[
    "kernel",
    "vertex",
    "fragment",
    "visible",
    "stitchable",
    "intersection",
    "object",
    "mesh",
    "patch",
    "host_name",
    "max_total_threads_per_threadgroup",
    "max_total_threadgroups_per_mesh_grid",
    "required_threads_per_threadgroup",
    "early_fragment_tests",
    "function_groups",
    "user_annotation",
    "buffer",
    "threadgroup",
    "texture",
    "sampler",
    "function_constant",
    "id",
    "payload",
    "imageblock_data",
    "raster_order_group",
    "stage_in",
    "attribute",
    "color",
    "position",
    "point_size",
    "point_coord",
    "clip_distance",
    "invariant",
    "shared",
    "render_target_array_index",
    "viewport_array_index",
    "vertex_id",
    "instance_id",
    "base_vertex",
    "base_instance",
    "amplification_id",
    "amplification_count",
    "patch_id",
    "position_in_patch",
    "barycentric_coord",
    "front_facing",
    "primitive_id",
    "sample_id",
    "sample_mask",
    "post_depth_coverage",
    "depth",
    "stencil",
    "flat",
    "center_perspective",
    "center_no_perspective",
    "centroid_perspective",
    "centroid_no_perspective",
    "sample_perspective",
    "sample_no_perspective",
    "user",
    "threads_per_grid",
    "thread_index_in_grid",
    "origin",
    "direction",
    "min_distance",
    "max_distance",
    "distance",
    "accept_intersection",
    "continue_search",
    "geometry_id",
    "geometry_intersection_function_table_offset",
    "instance_intersection_function_table_offset",
    "user_instance_id",
    "world_space_origin",
    "world_space_direction",
    "opaque",
    "object_to_world_transform",
    "world_to_object_transform",
    "time",
    "motion_start_time",
    "motion_end_time",
    "curve_parameter",
    "key_frame_count",
    "primitive_culled",
    "pixel_position_in_tile",
    "pixels_per_tile",
    "tile_index",
    "dispatch_quadgroups_per_threadgroup",
    "render_target_array_index",
    "alias_implicit_imageblock",
    "alias_implicit_imageblock_color",
    "clang",
    "gnu",
    "noreturn",
    "deprecated",
    "fallthrough",
    "maybe_unused",
    "nodiscard",
    "carries_dependency",
    "likely",
    "unlikely",
    "no_unique_address",
    "unroll",
    "loop",
    "threads_per_threadgroup",
];

pub(super) fn check(code: &Code<'_>, findings: &mut Findings) {
    let t = code.t;
    for i in (0..t.len()).filter(|i| t.is_attribute(*i)) {
        for part in t.split(i + 2..t.partner(i + 1), ",") {
            let name = t.str(part.start);
            let known = KNOWN.contains(&name)
                || BuiltinKind::from_msl(name).is_some()
                || name.starts_with("__")
                || t.is(part.start, "using");
            if !known && t.is_word(part.start) {
                findings.warning(
                    code.at(part.start),
                    "unknown-attribute",
                    format!("Metal has no attribute {name}, so it does nothing"),
                );
            }
        }
    }
}
