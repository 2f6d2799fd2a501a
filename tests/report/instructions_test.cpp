#include <foal/report/instructions.hpp>

#include <catch2/catch.hpp>

using foal::report::instructions;
using foal::report::warning_of_instructions;

TEST_CASE("Kernels compiled for fewer instructions than the processor has are warned of, with the flag to use", "[report]") {
  CHECK(warning_of_instructions(instructions::sse2, instructions::avx512) ==
        "the kernels cannot use this processor's AVX-512, because they were compiled for SSE2; compile with -march=native "
        "where the program is to run, which makes it several times as fast");
  CHECK(warning_of_instructions(instructions::fma, instructions::avx512) ==
        "the kernels cannot use this processor's AVX-512, because they were compiled for AVX2 with FMA; compile with "
        "-march=native where the program is to run");
  CHECK(warning_of_instructions(instructions::avx2, instructions::fma) != "");
}

TEST_CASE("Kernels that use what there is are not warned of", "[report]") {
  for (instructions const set : {instructions::other, instructions::sse2, instructions::avx, instructions::avx2,
                                 instructions::fma, instructions::avx512}) {
    CHECK(warning_of_instructions(set, set).empty());
    CHECK(warning_of_instructions(instructions::avx512, set).empty());
    CHECK(warning_of_instructions(instructions::other, set).empty());  // nothing is known of these
  }
}

TEST_CASE("This program was compiled for what this machine has", "[report]") {
  CHECK(foal::report::instructions_of_this_file() <= foal::report::instructions_of_this_machine());
}
