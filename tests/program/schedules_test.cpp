// examples/schedules: the table and its JSON, one schedule in every format, lists that are read or refused.
#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/report/markup.hpp"
#include "tests/support/program.hpp"
#include "tests/support/torch_lists.hpp"

using foal::test::program_result;
using foal::test::work_folder;

namespace {

std::string content(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

nlohmann::json row_of(nlohmann::json const& rows, std::string const& name) {
  for (auto const& r : rows)
    if (r.at("schedule") == name) return r;
  FAIL("no row " << name);
  return {};
}

}  // namespace

TEST_CASE("schedules: the table has the numbers of the closed forms, as JSON too", "[program]") {
  work_folder const folder("schedules_table");
  program_result const r = folder.run(FOAL_PROGRAM, "--table --ranks 4 --microbatches 8 --json rows.json");
  INFO(r.text);
  REQUIRE(r.status == 0);
  CHECK(has(r.text, "4 ranks, 8 microbatches"));
  auto const rows = nlohmann::json::parse(content(folder.path("rows.json")));
  auto const is = [&](char const* name, double makespan, double idle, std::vector<int> const& peaks, int versions,
                      double delay_f, double delay_b) {
    INFO(name);
    auto const row = row_of(rows, name);
    CHECK(row.at("refused").is_null());
    CHECK(row.at("makespan") == makespan);
    CHECK(row.at("span") == makespan);
    CHECK(row.at("idle_worst") == idle);
    CHECK(row.at("peaks") == peaks);
    CHECK(row.at("peak_worst") == peaks.front());
    CHECK(row.at("versions") == versions);
    CHECK(row.at("delay_f") == delay_f);
    CHECK(row.at("delay_b") == delay_b);
    CHECK(row.at("messages") == 48);
  };
  is("gpipe", 33, 9, {8, 8, 8, 8}, 1, 0, 0);
  is("one_f_one_b", 33, 9, {4, 3, 2, 1}, 1, 0, 0);
  is("pipedream", 24, 0, {4, 3, 2, 1}, 4, 3, 3);
  is("vertical_sync", 24, 0, {4, 3, 2, 1}, 4, 3, 3);
  is("two_bw", 24, 0, {4, 3, 2, 1}, 2, 1, 1);
  is("async_1f1b", 24, 0, {4, 3, 2, 1}, 1, 3, 0);
  is("pipemare", 24, 0, {8, 6, 4, 2}, 1, 0.875, 0);
  CHECK(row_of(rows, "pipedream").at("delay_b_of_stages") == std::vector<double>{3, 2, 1, 0});
  CHECK(row_of(rows, "pipedream").at("versions_of_stages") == std::vector<int>{4, 3, 2, 1});
}

TEST_CASE("schedules: what cannot be has a row that says why", "[program]") {
  work_folder const folder("schedules_refused");
  program_result const r = folder.run(FOAL_PROGRAM, "--table --ranks 4 --microbatches 2 --json rows.json");
  INFO(r.text);
  REQUIRE(r.status == 0);
  auto const row = row_of(nlohmann::json::parse(content(folder.path("rows.json"))), "two_bw");
  CHECK(has(row.at("refused"), "which needs d_0 <= N"));
  CHECK(row.at("makespan").is_null());
  CHECK(has(r.text, "two_bw: cannot train with two versions"));
}

TEST_CASE("schedules: one in every format", "[program]") {
  work_folder const folder("schedules_formats");
  auto const printed = [&](std::string const& arguments) {
    program_result const r = folder.run(FOAL_PROGRAM, arguments);
    CHECK(r.status == 0);
    return r.text;
  };
  std::string const facts = printed("one_f_one_b --ranks 4 --microbatches 8 --latency 0.5 --costs 10,12,8 --bytes 1000");
  CHECK(has(facts, "every op runs once, in order"));
  CHECK(has(facts, "it waits for BW(stage 1, microbatch 0) on rank 1"));
  CHECK(has(facts, "messages of a minibatch: 48, 48,000 bytes"));
  CHECK(has(facts, "in order, capacity 1"));
  std::string const late = printed("pipedream --ranks 4");
  CHECK(has(late, "a minibatch takes 3 in the steady state"));
  CHECK(has(late, "no rank is"));
  CHECK(printed("gpipe --ranks 2 --microbatches 2 --format csv") == "0F0,0F1,,,0B0,0B1\n,1F0,1F1,1B0,1B1\n");
  std::string const picture = printed("gpipe --format svg"),
                    page = printed("two_bw --ranks 16 --microbatches 64 --format html");
  CHECK(markup::parse(picture).well_formed);
  CHECK(markup::parse(page).well_formed);
  CHECK(has(page, "position:sticky"));
  CHECK(folder.run(FOAL_PROGRAM, "--gallery all").status == 0);
  for (char const* name : {"gpipe", "one_f_one_b", "pipedream", "pipemare"})
    CHECK(markup::parse(content(folder.path(std::string("all/") + name + ".svg"))).well_formed);
}

TEST_CASE("schedules: PyTorch's lists are read, those that cannot run are refused naming the ops", "[program]") {
  work_folder const folder("schedules_lists");
  folder.write("zb1p.csv", foal::test::torch_zb1p);
  program_result const r = folder.run(FOAL_PROGRAM, "--list zb1p.csv");
  INFO(r.text);
  CHECK(r.status == 0);
  CHECK(has(r.text, "4 stages on 2 ranks, 8 microbatches an update; every op runs once"));
  CHECK(has(r.text, "makespan 49"));
  auto const refused = [&](std::string const& list, std::string const& why) {
    folder.write("list.csv", list);
    program_result const bad = folder.run(FOAL_PROGRAM, "--list list.csv");
    INFO(bad.text);
    CHECK(bad.status == 1);
    CHECK(has(bad.text, why));
  };
  refused(
      "0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n",
      "cannot run BW(stage 0, microbatch 0) on rank 0, because it waits for an op that its rank reaches only after F(stage "
      "1, microbatch 1) on rank 1");
  refused("0F0,0F1,0B0,0B1\n1F0,1B0,1B1\n", "F(stage 1, microbatch 1) on rank 1 is in no list; add it once");
}
