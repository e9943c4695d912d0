// MSL 2.8 Buffers: a buffer holds structs
#include <metal_stdlib>
using namespace metal;

struct Particle {
  float4 place;
  float mass;
  uint kind;
};
kernel void move(device Particle* p [[buffer(0)]], constant float& step [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  Particle particle = p[i];
  particle.place.xyz += step * particle.mass;
  p[i] = particle;
}
