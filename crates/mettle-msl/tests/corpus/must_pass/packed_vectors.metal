// MSL 2.2.3 Packed Vector Types: packed vectors are aligned as their components and convert to vectors
#include <metal_stdlib>
using namespace metal;

struct Vertex {
  packed_float3 position;
  float weight;
  packed_half2 coordinate;
  packed_uchar4 colour;
};
static_assert(sizeof(Vertex) == 24, "packed vectors leave no gaps");
static_assert(sizeof(packed_short3) == 6 && alignof(packed_short3) == 2, "as three shorts");

kernel void use(device Vertex* v [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  float3 p = v[i].position;
  v[i].position = p * 2 + float3(v[i].position);
  v[i].position[1] = 0;
  v[i].coordinate = half2(1, 2);
  uchar4 c = v[i].colour;
  v[i].weight = length(float3(v[i].position)) + c.x;
  packed_bfloat3 b = packed_bfloat3(1.0bf);
  packed_long2 l = packed_long2(1, 2);
  v[i].weight += float(b[0]) + l[1];
}
