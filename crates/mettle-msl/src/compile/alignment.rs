//! Vectors at any address.
//!
//! A `float4` lies at a multiple of 16 bytes, says the language, and so says the IR. But GPUs of Apple read and write vectors wherever their
//! elements may lie, and kernels rely on it (llama.cpp's stores `float4` into rows of any length). CPUs can do so too, at no cost, unless
//! the compiler picks instructions that insist on the alignment it was promised.

/// The IR with the alignment of every access to a vector, and of every block copy, set to one byte. Atomic accesses keep theirs.
pub(super) fn relax(ir: &str) -> String {
    let mut text = String::with_capacity(ir.len());
    for line in ir.split_inclusive('\n') {
        relax_line(line, &mut text);
    }
    text
}

fn relax_line(line: &str, text: &mut String) {
    // Instructions are indented; most lines are none of these.
    let is_block = || line.contains("@llvm.mem") || line.contains("@llvm.masked.");
    let is_access =
        || (line.contains("= load <") || line.contains(" store <")) && !line.contains(" atomic ");
    if !line.starts_with("  ") || !(is_access() || is_block()) {
        return text.push_str(line);
    }
    let masked = line.contains("@llvm.masked.");
    let mut rest = line;
    while let Some((at, keyword)) = next(rest) {
        let (before, after) = rest.split_at(at + keyword.len());
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // In a masked access the alignment is an operand, the one behind the pointer.
        let operand = masked
            && before[..at]
                .rsplit(' ')
                .nth(1)
                .is_some_and(|w| w.ends_with("ptr"));
        let found = keyword == ALIGN || operand;
        text.push_str(before);
        text.push_str(if found && digits > 0 {
            "1"
        } else {
            &after[..digits]
        });
        rest = &after[digits..];
    }
    text.push_str(rest);
}

const ALIGN: &str = " align ";
const OPERAND: &str = ", i32 ";

/// Where the next alignment may stand, and what is in front of it.
fn next(text: &str) -> Option<(usize, &'static str)> {
    let of = |keyword: &'static str| Some((text.find(keyword)?, keyword));
    [of(ALIGN), of(OPERAND)].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_copies_lose_their_alignment() {
        for (before, after) in [
            (
                "  %5 = load <4 x float>, ptr %4, align 16, !tbaa !5\n",
                "  %5 = load <4 x float>, ptr %4, align 1, !tbaa !5\n",
            ),
            (
                "  store <2 x half> %6, ptr %7, align 4\n",
                "  store <2 x half> %6, ptr %7, align 1\n",
            ),
            (
                "  call void @llvm.memcpy.p0.p0.i64(ptr noundef align 16 %1, ptr align 8 %2, i64 64, i1 false)\n",
                "  call void @llvm.memcpy.p0.p0.i64(ptr noundef align 1 %1, ptr align 1 %2, i64 64, i1 false)\n",
            ),
            (
                "  call void @llvm.memcpy.p0.p0.i32(ptr align 4 %1, ptr %2, i32 64, i1 false)\n",
                "  call void @llvm.memcpy.p0.p0.i32(ptr align 1 %1, ptr %2, i32 64, i1 false)\n",
            ),
            (
                "  call void @llvm.masked.store.v2i32.p0(<2 x i32> <i32 8, i32 8>, ptr %1, i32 8, <2 x i1> %m)\n",
                "  call void @llvm.masked.store.v2i32.p0(<2 x i32> <i32 8, i32 8>, ptr %1, i32 1, <2 x i1> %m)\n",
            ),
        ] {
            assert_eq!(relax(before), after);
        }
        for kept in [
            "  %5 = load i32, ptr %4, align 4\n",
            "  %5 = load atomic i32, ptr %4 monotonic, align 4\n",
            "@table = constant [4 x float] zeroinitializer, align 16\n",
            "  %1 = alloca <4 x float>, align 16\n",
            "define void @f() align 16 {\n",
        ] {
            assert_eq!(relax(kept), kept);
        }
    }
}
