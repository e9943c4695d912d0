// How heads become rows of caches of blocks.
#pragma once

#include <mettle/kv_rows.h>

using namespace metal;

namespace mettle_kernels {

// Of blocks of T. In caches of TurboQuant heads are transformed, those of queries too; they are changed in place, by a thread or by a SIMD group.
template <typename T>
struct BlockHeads {
    // Bytes of threadgroup memory that a SIMD group encodes with; one where it needs none.
    static constant constexpr uint codes = 1;

    static METAL_FUNC void change_alone(device float*, uint, uint) {}
    static METAL_FUNC void change_together(device float*, uint, uint) {}

    // Writes a head, which is not changed yet, to its row.
    static METAL_FUNC void encode_together(device T* row, device const float* head, uint size, threadgroup uchar*, uint lane)
    {
        for (uint i = lane * format<T>::values; i < size; i += 32 * format<T>::values) {
            put(row, i, head + i, size - i);
        }
    }
};

}  // namespace mettle_kernels

#ifdef METTLE_TURBO
#include <mettle/turbo_heads.h>
#endif
