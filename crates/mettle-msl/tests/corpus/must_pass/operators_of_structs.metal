// MSL 1.5.1 Overloading: structs have operators
#include <metal_stdlib>
using namespace metal;

struct Complex {
  float re, im;
  Complex operator+(Complex b) const { return {re + b.re, im + b.im}; }
  thread Complex& operator*=(float f) {
    re *= f;
    im *= f;
    return *this;
  }
};
Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
kernel void use(device Complex* x [[buffer(0)]]) {
  Complex a = x[0], b = x[1];
  a *= 2;
  x[2] = a * b + a;
}
