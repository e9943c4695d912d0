// Rows chosen by index, in whatever format they are: the words they consist of are moved as they are. What decodes them is
// embedding.metal.

#include <metal_stdlib>

using namespace metal;

struct Params {
    uint rows;   // of x
    uint words;  // of a row
};

// out[t, :] = x[ids[t], :]; x is [rows, words], ids is [n], out is [n, words]. An id that is not below `rows` gives a row of words with
// every bit set, which is NaN in formats of floating-point numbers: nothing is read outside x, and the mistake shows.
//
// One thread a word: the grid is [words, n].
template <typename T>
kernel void gather(
    device const T*    x      [[buffer(0)]],
    device const uint* ids    [[buffer(1)]],
    device T*          out    [[buffer(2)]],
    constant Params&   params [[buffer(3)]],
    uint2 position [[thread_position_in_grid]])
{
    const uint id = ids[position.y];
    T word = T(~0u);
    if (id < params.rows) {
        word = x[ulong(id) * params.words + position.x];
    }
    out[ulong(position.y) * params.words + position.x] = word;
}

#define INSTANTIATE(name, type) template [[host_name("gather_" #name)]] kernel decltype(gather<type>) gather<type>;
INSTANTIATE(u32x4, uint4)
INSTANTIATE(u32, uint)
INSTANTIATE(u16, ushort)
INSTANTIATE(u8, uchar)
