// Units of weights for products of bytes: four cells side by side, each of values with a scale in common.
//
// A group of units is what lies together: a block, or of formats with smaller ones as many blocks as a unit takes. CPUs unpack the units of a
// large block with vectors as wide as a unit: its scales together, and each load of its codes for several units.
#pragma once

#include <metal_stdlib>
#include <mettle/formats.h>
#include <mettle/wide_words.h>

namespace mettle_kernels {

// Cells of a unit.
constant constexpr uint CELLS = 4;

// The bytes of a unit, sixteen of each cell in a vector, and the scales and offsets of its cells, four times each.
template <uint SIXTEENS>
struct Unit {
    wide_words q[SIXTEENS];
    wide scales;
    wide offsets;
};

// The scales of a unit's cells, four times each: those that were unpacked.
template <typename W, bool WHOLE>
struct ScalesOfUnit {
    static METAL_FUNC wide of(device const W*, metal::float4 unpacked) { return four_of_each(unpacked); }
};

// The group that begins with `first`, whose cells are of so many sixteens. Of one that is not WHOLE there are `count` blocks; beyond the last
// it is taken again.
template <typename W, uint SIXTEENS, bool WHOLE>
struct BlockUnits {
    device const W* first;
    uint count;

    static METAL_FUNC BlockUnits of(device const W* first, uint count) { return BlockUnits{first, count}; }

    METAL_FUNC Unit<SIXTEENS> unit(uint index) const
    {
        constexpr uint cells_of_block = format<W>::values / (SIXTEENS * WIDE);
        wide_bytes q[SIXTEENS][CELLS];
        metal::float4 scale;
        metal::float4 offset;
#pragma unroll
        for (uint cell = 0; cell < CELLS; ++cell) {
            const uint at = CELLS * index + cell;
            const uint block = WHOLE ? at / cells_of_block : metal::min(at / cells_of_block, count - 1);
#pragma unroll
            for (uint i = 0; i < SIXTEENS; ++i) {
                const Packed packed = format<W>::unpack(FromBlocks(), first + block, at % cells_of_block * SIXTEENS + i);
                q[i][cell] = packed.q;
                scale[cell] = packed.scale;
                offset[cell] = packed.offset;
            }
        }
        Unit<SIXTEENS> unit;
#pragma unroll
        for (uint i = 0; i < SIXTEENS; ++i) {
            unit.q[i] = join(q[i][0], q[i][1], q[i][2], q[i][3]);
        }
        unit.scales = ScalesOfUnit<W, WHOLE>::of(first, scale);
        unit.offsets = four_of_each(offset);
        return unit;
    }
};

}  // namespace mettle_kernels

#if defined(__METTLE__) && !defined(METTLE_PLAIN_WIDE)
#include <mettle/wide_units.h>
#endif
