//! What C++ is made of small pieces of MSL.

use super::unit;
use crate::Target;
use crate::reflect::ConstantValue;
use crate::rewrite::{Request, rewrite};

/// The rewritten text, for all kernels, without what is appended to it.
fn body(text: &str, constants: Option<&[(u32, ConstantValue)]>) -> String {
    let text = with_entries(text, constants);
    let end = text.find("\nextern \"C\" {").unwrap();
    text[..end].to_owned()
}

fn with_entries(text: &str, constants: Option<&[(u32, ConstantValue)]>) -> String {
    let unit = unit(text).unwrap();
    let kernels: Vec<_> = unit.kernels.iter().collect();
    rewrite(
        &unit,
        &Request {
            target: Target::ALL[0],
            constants,
            kernels: &kernels,
        },
    )
    .unwrap()
    .text
}

#[test]
fn address_spaces() {
    let rewritten = body(
        "struct Tile {
    float sum(thread const float* x) const thread;
    float at(int i) const constant { return data[i]; }
    float data[4];
};
constant float table[2] = {1.0, 2.5e-3};
constant constexpr uint size = 4;
float Tile::sum(thread const float* x) const thread { return x[0]; }
device float* next(device float* p, constant float* const q, threadgroup Tile& t) { return (device float*)(p + 1); }
kernel void f(device float* x, constant Tile& tile) {
    threadgroup float a[size], b[2][3];
    alignas(16) threadgroup vec<half, 4> c[2 * 3];
    threadgroup float* p = a;
    const threadgroup float& r = b[0][1];
    static threadgroup int counter;
    for (int i = 0; i < 4; i++) { threadgroup Tile local; thread float y = local.device.data[i]; }
}",
        None
    );
    insta::assert_snapshot!(rewritten);
}

#[test]
fn kernels_and_attributes() {
    let rewritten = body(
        "[[kernel, max_total_threads_per_threadgroup(64)]] void a(device float* x [[buffer(0), function_constant(ON)]]) { [[clang::nomerge]] x[y[0]] = 1; }
kernel [[host_name(\"other\")]] void b();
template <typename T> [[kernel]] void c(device T* x [[ buffer(0) ]]) {}
template [[host_name(\"c_int\")]]
    [[kernel]] void c<int>(device int*);
template <typename T> T d(T x) { return x[z[0]]; }
template int d<int>(int);
",
        None
    );
    insta::assert_snapshot!(rewritten);
}

#[test]
fn duplicates() {
    let rewritten = body(
        "template <typename T> inline T load(device const T* p) { return *p; }
template <typename T> inline T load(threadgroup const T* p) { return *p; }
template <typename T> inline T load(constant T* p) { return *p; }
struct S {
    void set(float v) device { x = v; }
    void set(float v) threadgroup { x = v; }
    void set(float v) thread { x = v; }
    S() thread = default;
    S() device = default;
    float x;
};
template <typename T> struct element {};
template <typename T> struct element<device T*> { using type = T; };
template <typename T> struct element<threadgroup T*> { using type = T; };
template <> struct element<int> { void f(device int* x) { *x = 1; } };
template <> struct element<uint> { void f(thread int* x) { *x = 2; } };
void other(device S& s) { s.set(1); }
void other(device S& s, int) { s.set(1); }",
        None,
    );
    insta::assert_snapshot!(rewritten);
}

#[test]
fn compound_assignment_to_components() {
    let free = "void operator+=(thread C& a, C b);";
    let code = "void f() { a.x += b, c[i].v.yz += g(1, 2); d.f().x += 1; c[i++].x += 1; a.x -= 1; a.size += 1; }";
    let body = |text: &str| body(text, None).replace(['\n', ' '], "");
    assert_eq!(body(code), code.replace(' ', ""));
    assert_eq!(
        body(&format!("{free}{code}")),
        "voidoperator+=(C&a,Cb);voidf(){a.x=a.x+(b),c[i].v.yz=c[i].v.yz+(g(1,2));d.f().x+=1;c[i++].x+=1;a.x-=1;a.size+=1;}"
    );
}

const CONSTANTS: &str = "constant bool A [[function_constant(0)]];
namespace n {
constant ushort B [[ function_constant(1) ]];
constant int C = is_function_constant_defined(B) ? B + 1 : (A ? 2 : 3);
}
constant float D = n::C * 0.5;
constant float E = 0.5;
int f() { return is_function_constant_defined(A) ? n::C : 0; }
";

#[test]
fn generic_constants() {
    let rewritten = with_entries(CONSTANTS, None);
    insta::assert_snapshot!(rewritten);
}

#[test]
fn baked_constants() {
    let values = [(1, ConstantValue::Ushort(65535))];
    let rewritten = body(CONSTANTS, Some(&values));
    insta::assert_snapshot!(rewritten);
}

#[test]
fn entries() {
    let rewritten = with_entries(
        "struct P { int n; half h[3]; };
namespace k {
template <typename T, int N>
kernel void f(device T* x [[buffer(4)]], uint2 i [[thread_position_in_grid]], constant P& p [[buffer(1)]], threadgroup T* t [[threadgroup(0)]]) {}
template [[host_name(\"f int\")]] kernel void f<device int*, 4>(device int**, uint2, constant P&, threadgroup int**);
}",
        None
    );
    insta::assert_snapshot!(rewritten);
}
