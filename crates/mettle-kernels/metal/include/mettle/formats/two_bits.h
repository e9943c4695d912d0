// Planes of two bits, as several of ggml's formats have them.
#pragma once

#include <mettle/formats/block.h>

namespace mettle_kernels {

// Part `part` of the codes `qs` of a block. Each half of 128 values has 32 bytes: bits 2k and 2k + 1 of byte i are
// value 32 k + i. `qs` lies at a multiple of sixteen bytes.
template <typename Reads, typename P>
METAL_FUNC wide_bytes two_bits(Reads reads, P block, uint part)
{
    const wide_bytes planes = reads.template bytes<16>(block->qs + 32 * (part / 8) + 16 * (part % 2));
    return (planes >> (2 * (part % 8 / 2))) & 0x03030303u;
}

}  // namespace mettle_kernels
