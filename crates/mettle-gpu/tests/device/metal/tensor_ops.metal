// Products of tensors: every kind of operand, result and execution scope.
#include <metal_stdlib>
#include <metal_tensor>
#include <MetalPerformancePrimitives/MetalPerformancePrimitives.h>
using namespace metal;
using namespace mpp::tensor_ops;

// An m x n result of operands in memory, in tiles of TM x TN. Rows of `stride` elements, wider than they need to be.
struct Sizes {
  int m, n, k, stride;
};

template <typename A, typename B, typename C, int TM, int TN, int TK, bool TransposeA, bool TransposeB, bool Accumulate,
          typename Scope>
kernel void in_memory(device A* a [[buffer(0)]], device B* b [[buffer(1)]], device C* c [[buffer(2)]],
                      constant Sizes& s [[buffer(3)]], uint2 tile [[threadgroup_position_in_grid]]) {
  using Size = dextents<int32_t, 2>;
  const array<int, 2> strides = {1, s.stride};
  auto ta = tensor(a, TransposeA ? Size(s.m, s.k) : Size(s.k, s.m), strides);
  auto tb = tensor(b, TransposeB ? Size(s.k, s.n) : Size(s.n, s.k), strides);
  auto tc = tensor<device C, Size, tensor_inline>(c, Size(s.n, s.m), strides);
  constexpr auto mode = Accumulate ? matmul2d_descriptor::mode::multiply_accumulate : matmul2d_descriptor::mode::multiply;
  constexpr auto descriptor = matmul2d_descriptor(TM, TN, TK, TransposeA, TransposeB, false, mode);
  matmul2d<descriptor, Scope> op;
  const int row = tile.y * TM, column = tile.x * TN;
  auto tile_c = tc.slice(column, row);
  if (TK < 0) {
    auto tile_a = TransposeA ? ta.slice(row, 0) : ta.slice(0, row);
    auto tile_b = TransposeB ? tb.slice(0, column) : tb.slice(column, 0);
    op.run(tile_a, tile_b, tile_c);
  } else {
    for (int k = 0; k < s.k; k += TK) {
      auto tile_a = TransposeA ? ta.slice(row, k) : ta.slice(k, row);
      auto tile_b = TransposeB ? tb.slice(k, column) : tb.slice(column, k);
      op.run(tile_a, tile_b, tile_c);
    }
  }
}

#define IN_MEMORY(name, A, B, C, TM, TN, TK, TA, TB, accumulate, Scope)                              \
  template [[host_name("memory_" name)]] kernel void                                                 \
  in_memory<A, B, C, TM, TN, TK, TA, TB, accumulate, Scope>(                                         \
      device A*, device B*, device C*, constant Sizes&, uint2);

IN_MEMORY("f32", float, float, float, 32, 32, -1, false, false, false, execution_simdgroups<4>)
IN_MEMORY("f16_f32", half, half, float, 64, 32, -1, false, true, false, execution_simdgroups<4>)
IN_MEMORY("f16", half, half, half, 16, 32, -1, true, false, false, execution_simdgroup)
IN_MEMORY("bf16", bfloat, bfloat, bfloat, 24, 8, -1, true, true, false, execution_simdgroups<2>)
IN_MEMORY("bf16_f32", bfloat, float, float, 32, 64, 16, false, true, true, execution_simdgroups<3>)
IN_MEMORY("i8_i32", char, char, int, 32, 32, 32, true, true, true, execution_simdgroups<4>)
IN_MEMORY("i8_f16", char, half, half, 8, 8, -1, false, false, false, execution_thread)
IN_MEMORY("i8_f32", float, int8_t, float, 5, 7, 3, true, false, true, execution_thread)

// The result in registers: starts as a matrix that is read, gets the index of each element added, is written.
template <int TM, int TN, typename Scope>
kernel void in_registers(device half* a [[buffer(0)]], device half* b [[buffer(1)]], device float* c [[buffer(2)]],
                         constant Sizes& s [[buffer(3)]], threadgroup half* shared [[threadgroup(0)]],
                         uint2 tile [[threadgroup_position_in_grid]],
                         ushort thread_index [[thread_index_in_threadgroup]],
                         ushort threads [[threads_per_threadgroup]]) {
  const array<int, 2> strides = {1, s.stride};
  matmul2d<matmul2d_descriptor(TM, TN, 16, false, true, true, matmul2d_descriptor::mode::multiply_accumulate), Scope> op;
  auto ta = tensor(shared, extents<int, 16, TM>());
  auto tb = tensor(b, dextents<int, 2>(s.k, s.n), strides);
  auto tc = tensor(c, dextents<int, 2>(s.n, s.m), strides);
  const int row = tile.y * TM, column = tile.x * TN;
  auto sum = op.template get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  sum.load(tc.slice(column, row));
  for (int k = 0; k < s.k; k += 16) {
    for (int i = thread_index; i < TM * 16; i += threads) {
      const bool inside = row + i / 16 < s.m && k + i % 16 < s.k;
      shared[i] = inside ? a[(row + i / 16) * s.stride + k + i % 16] : half(0);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    auto tile_b = tb.slice(k, column);
    op.run(ta, tile_b, sum);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (ushort i = 0; i < sum.get_capacity(); i++) {
    if (sum.is_valid_element(i)) sum[i] += sum.get_multidimensional_index(i)[0] * 100;
  }
  for (auto it = sum.begin(); it != sum.end(); it++) {
    const auto at = it.get_multidimensional_index();
    *it += at[1];
  }
  sum.store(tc.slice(column, row));
}
template [[host_name("registers_4")]] kernel void in_registers<64, 48, execution_simdgroups<4>>(
    device half*, device half*, device float*, constant Sizes&, threadgroup half*, uint2, ushort, ushort);
template [[host_name("registers_1")]] kernel void in_registers<24, 16, execution_simdgroup>(
    device half*, device half*, device float*, constant Sizes&, threadgroup half*, uint2, ushort, ushort);

// Operands in registers, filled by hand in the arrangement of fragments: a 16 x 16 left one and two 16 x 16 halves of the
// right one, side by side or, when transposed, below each other.
template <typename T, typename C, bool TransposeA, bool TransposeB>
kernel void fragments(device const T* a [[buffer(0)]], device const T* b [[buffer(1)]], device C* c [[buffer(2)]],
                      ushort lane [[thread_index_in_simdgroup]]) {
  constexpr auto descriptor = matmul2d_descriptor(16, 32, 16, TransposeA, TransposeB, true,
                                                  matmul2d_descriptor::mode::multiply_accumulate);
  matmul2d<descriptor, execution_simdgroup> op;
  auto ta = op.template get_left_input_cooperative_tensor<T, T, C>();
  auto tb = op.template get_right_input_cooperative_tensor<T, T, C>();
  auto tc = op.template get_destination_cooperative_tensor<remove_addrspace_t<decltype(ta)>,
                                                           remove_addrspace_t<decltype(tb)>, C>();
  const short quad = lane >> 2;
  const short row = (quad & 4) | ((lane >> 1) & 3);
  const short column = ((quad & 2) | (lane & 1)) * 4;
  constexpr int columns_b = TransposeB ? 16 : 32;
  for (short i = 0; i < 8; i++) {
    const short r = row + i / 4 * 8, q = column + i % 4;
    ta[i] = a[r * 16 + q];
    tb[i] = b[r * columns_b + q];
    tb[8 + i] = TransposeB ? b[(r + 16) * columns_b + q] : b[r * columns_b + q + 16];
    tc[i] = c[r * 32 + q];
    tc[8 + i] = c[r * 32 + q + 16];
  }
  op.run(ta, tb, tc);
  for (short i = 0; i < 8; i++) {
    const short r = row + i / 4 * 8, q = column + i % 4;
    c[r * 32 + q] = tc[i];
    c[r * 32 + q + 16] = tc[8 + i];
  }
}
#define FRAGMENTS(name, T, C, TA, TB)                                         \
  template [[host_name("fragments_" name)]] kernel void fragments<T, C, TA, TB>( \
      device const T*, device const T*, device C*, ushort);
FRAGMENTS("f16", half, float, false, false)
FRAGMENTS("f32", float, float, false, true)
FRAGMENTS("bf16", bfloat, float, true, true)
FRAGMENTS("i8", char, int, true, false)

// Rows of a product minus their greatest element, plus what `sums` holds, which takes the columns' sums.
kernel void reduced(device half* a [[buffer(0)]], device half* b [[buffer(1)]], device float* c [[buffer(2)]],
                    device float* sums [[buffer(3)]]) {
  matmul2d<matmul2d_descriptor(24, 40, 8), execution_simdgroup> op;
  auto ta = tensor(a, extents<int, 8, 24>());
  auto tb = tensor(b, extents<int, 40, 8>());
  auto product = op.get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  auto rows = op.get_row_reduction_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  auto columns = op.get_column_reduction_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  op.run(ta, tb, product);
  reduce_rows(product, rows, reduction_operation::max, reduction_operation_identity<float>::max_identity);
  reduce_columns(product, columns);
  if (is_iterator_compatible(product, rows)) {
    for (auto it = product.begin(); it != product.end(); it++) *it -= *rows.map_iterator(it);
  }
  // The bias is one row for all.
  auto bias = op.get_destination_cooperative_tensor<decltype(ta), decltype(tb), float>();
  bias.load(tensor(sums, dextents<int, 2>(40, 1)));
  for (ushort i = 0; i < product.get_capacity(); i++) product.set(i, product.get(i) + bias.get(i));
  product.store(tensor(c, extents<int, 40, 24>()));
  threadgroup_barrier(mem_flags::mem_device);
  columns.store(tensor(sums, dextents<int, 1>(40)));
}
