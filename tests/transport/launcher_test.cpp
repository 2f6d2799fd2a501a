#include <foal/transport/launcher.hpp>

#include <catch2/catch.hpp>

#include <map>
#include <string>

using namespace foal;

namespace {

using Catch::Contains;
using environment = std::map<std::string, std::string>;

std::optional<transport::launched> launched(environment const& all) {
  return transport::launched_by([&](char const* name) -> char const* {
    auto const found = all.find(name);
    return found == all.end() ? nullptr : found->second.c_str();
  });
}

}  // namespace

TEST_CASE("the place of a process is what its launcher says") {
  CHECK_FALSE(launched({}));
  struct {
    environment all;
    char const* text;
    int local;
  } const cases[] = {
      {{{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}},
       "process 2 of 4 of mpirun of Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)",
       0},
      {{{"PMI_RANK", "0"}, {"PMI_SIZE", "3"}, {"MPI_LOCALRANKID", "0"}},
       "process 0 of 3 of mpirun of MPICH (PMI_RANK, PMI_SIZE)",
       0},
      {{{"SLURM_PROCID", "7"}, {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_LOCALID", "3"}},
       "process 7 of 8 of srun of Slurm (SLURM_PROCID, SLURM_STEP_NUM_TASKS)",
       3},
      {{{"RANK", "1"}, {"WORLD_SIZE", "2"}}, "process 1 of 2 of torchrun (RANK, WORLD_SIZE)", -1},
  };
  for (auto const& one : cases) {
    auto const found = launched(one.all);
    REQUIRE(found);
    CHECK(found->text() == one.text);
    CHECK(found->local == one.local);
  }
}

TEST_CASE("the user's word wins over the launchers, and theirs in the order of the list") {
  environment all{{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"PMI_RANK", "2"}, {"PMI_SIZE", "3"}};
  CHECK(launched(all)->place.count == 3);
  all.insert({{"FOAL_RANK", "4"}, {"FOAL_SIZE", "5"}});
  CHECK(launched(all)->place.count == 5);
  CHECK(launched(all)->place.number == 4);
}

TEST_CASE("half of a launcher's variables are nobody's: a batch script is no process of several") {
  CHECK_FALSE(launched({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
  CHECK_FALSE(launched({{"RANK", "3"}}));
}

TEST_CASE("what is no place is refused by the name of its variable") {
  CHECK_THROWS_WITH(launched({{"FOAL_SIZE", "2"}}), Contains("because FOAL_SIZE is set") && Contains("FOAL_RANK is not"));
  CHECK_THROWS_WITH(launched({{"FOAL_RANK", "one"}, {"FOAL_SIZE", "2"}}), Contains("FOAL_RANK is 'one'"));
  CHECK_THROWS_WITH(launched({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}), Contains("RANK is '-1'"));
  CHECK_THROWS_WITH(launched({{"RANK", "0"}, {"WORLD_SIZE", "99999999999"}}), Contains("WORLD_SIZE is '99999999999'"));
  CHECK_THROWS_WITH(launched({{"PMI_RANK", "2"}, {"PMI_SIZE", "2"}}),
                    Contains("process 2 of 2") && Contains("PMI_RANK counts from 0"));
}

TEST_CASE("a library that counts other processes than the launcher is not believed") {
  auto const said = launched({{"PMI_RANK", "2"}, {"PMI_SIZE", "4"}});
  CHECK_NOTHROW(transport::require_place({2, 4}, said, "MPICH 4.0.2"));
  CHECK_NOTHROW(transport::require_place({0, 1}, launched({}), "MPICH 4.0.2"));
  CHECK_THROWS_WITH(transport::require_place({0, 1}, said, "Open MPI 4.1.4"),
                    Contains("process 0 of 1, as Open MPI 4.1.4") && Contains("process 2 of 4 of mpirun of MPICH") &&
                        Contains("FOAL_RANK=0 and FOAL_SIZE=1"));
}
