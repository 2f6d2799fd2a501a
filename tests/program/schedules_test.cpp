// examples/schedules: the table and its JSON, one schedule in every format, lists that are read or refused.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
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

TEST_CASE("schedules: the table has the numbers of the literature, as JSON too", "[program]") {
  struct expected {
    char const* name;
    double makespan, span, idle;
    std::vector<int> peaks;
    int versions = 1;
    double delay_f = 0, delay_b = 0;
  };
  auto const all = [](int ranks, int peak) { return std::vector<int>(static_cast<std::size_t>(ranks), peak); };
  auto const check = [](std::string const& arguments, std::vector<expected> const& table) {
    work_folder const folder("schedules_table");
    program_result const r = folder.run(FOAL_PROGRAM, "--table --json rows.json " + arguments);
    INFO(r.text);
    REQUIRE(r.status == 0);
    auto const rows = nlohmann::json::parse(content(folder.path("rows.json")));
    CHECK(rows.size() == table.size());
    for (expected const& e : table) {
      INFO(e.name);
      auto const row = row_of(rows, e.name);
      CHECK(row.at("refused").is_null());
      CHECK(row.at("makespan") == e.makespan);
      CHECK(row.at("span") == e.span);
      CHECK(row.at("idle_worst") == e.idle);
      CHECK(row.at("peaks") == e.peaks);
      CHECK(row.at("peak_worst") == *std::max_element(e.peaks.begin(), e.peaks.end()));
      CHECK(row.at("versions") == e.versions);
      CHECK(row.at("delay_f") == e.delay_f);
      CHECK(row.at("delay_b") == e.delay_b);
    }
  };
  check("--ranks 4 --microbatches 8", {{"gpipe", 33, 33, 9, all(4, 8)},
                                       {"one_f_one_b", 33, 33, 9, {4, 3, 2, 1}},
                                       {"k_f_k_b", 33, 33, 9, {8, 6, 4, 2}},
                                       {"interleaved", 57, 57, 9, {11, 9, 7, 5}},
                                       {"looped_bfs", 57, 57, 9, all(4, 16)},
                                       {"chimera", 30, 30, 6, {3, 4, 4, 3}},
                                       {"hanayo", 60, 60, 12, all(4, 8)},
                                       {"zb_h1", 27, 27, 3, all(4, 4)},
                                       {"zb_h2", 27, 24, 3, all(4, 7)},
                                       {"zb_v", 51, 48, 3, all(4, 8)},
                                       {"interleaved_zb", 51, 51, 3, all(4, 8)},
                                       {"zb_auto", 27, 27, 3, all(4, 4)},
                                       {"v_half", 53, 53, 5, all(4, 6)},
                                       {"v_min", 59, 59, 11, all(4, 4)},
                                       {"two_bp", 30, 30, 6, all(4, 8)},
                                       {"seq1f1b", 57, 57, 9, {5, 4, 3, 2}},
                                       {"bpipe", 33, 33, 9, {3, 3, 2, 2}},
                                       {"dual_pipe", 26, 26, 2, all(4, 5)},
                                       {"dual_pipe_v", 54, 54, 6, all(4, 9)},
                                       {"varuna", 39, 39, 15, all(4, 1)},
                                       {"pipedream", 24, 24, 0, {4, 3, 2, 1}, 4, 3, 3},
                                       {"vertical_sync", 24, 24, 0, {4, 3, 2, 1}, 4, 3, 3},
                                       {"two_bw", 24, 24, 0, {4, 3, 2, 1}, 2, 1, 1},
                                       {"paci", 24, 24, 0, {4, 3, 2, 1}, 1, 0.75, 0},
                                       {"pipemare", 24, 24, 0, {8, 6, 4, 2}, 1, 0.875, 0},
                                       {"async_1f1b", 24, 24, 0, {4, 3, 2, 1}, 1, 3, 0}});
  std::vector<int> const down{8, 7, 6, 5, 4, 3, 2, 1};
  check("--ranks 8 --microbatches 16", {{"gpipe", 69, 69, 21, all(8, 16)},
                                        {"one_f_one_b", 69, 69, 21, down},
                                        {"k_f_k_b", 69, 69, 21, {16, 14, 12, 10, 8, 6, 4, 2}},
                                        {"interleaved", 117, 117, 21, {23, 21, 19, 17, 15, 13, 11, 9}},
                                        {"looped_bfs", 117, 117, 21, all(8, 32)},
                                        {"chimera", 66, 66, 18, {5, 6, 7, 8, 8, 7, 6, 5}},
                                        {"hanayo", 124, 124, 28, all(8, 16)},
                                        {"zb_h1", 55, 55, 7, all(8, 8)},
                                        {"zb_h2", 55, 48, 7, all(8, 15)},
                                        {"zb_v", 103, 96, 7, all(8, 16)},
                                        {"interleaved_zb", 103, 103, 7, all(8, 16)},
                                        {"zb_auto", 55, 55, 7, all(8, 8)},
                                        {"v_half", 113, 113, 17, all(8, 10)},
                                        {"v_min", 123, 123, 27, {7, 8, 8, 8, 8, 8, 8, 8}},
                                        {"two_bp", 62, 62, 14, all(8, 16)},
                                        {"seq1f1b", 117, 117, 21, {9, 8, 7, 6, 5, 4, 3, 2}},
                                        {"bpipe", 69, 69, 21, {5, 5, 5, 5, 4, 4, 4, 4}},
                                        {"dual_pipe", 54, 54, 6, all(8, 9)},
                                        {"dual_pipe_v", 110, 110, 14, all(8, 17)},
                                        {"varuna", 84, 84, 36, all(8, 1)},
                                        {"pipedream", 48, 48, 0, down, 8, 7, 7},
                                        {"vertical_sync", 48, 48, 0, down, 8, 7, 7},
                                        {"two_bw", 48, 48, 0, down, 2, 1, 1},
                                        {"paci", 48, 48, 0, down, 1, 0.875, 0},
                                        {"pipemare", 48, 48, 0, {16, 14, 12, 10, 8, 6, 4, 2}, 1, 0.9375, 0},
                                        {"async_1f1b", 48, 48, 0, down, 1, 7, 0}});
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

TEST_CASE("schedules: docs/schedules.md shows what the program draws and prints", "[program]") {
  work_folder const folder("schedules_gallery");
  std::string const docs = FOAL_DOCS, text = content(docs + "/schedules.md");
  INFO("where a picture or a number has changed: schedules --gallery docs/schedules, and the table's text");
  REQUIRE(folder.run(FOAL_PROGRAM, "--gallery all --ranks 4 --microbatches 8").status == 0);
  int drawn = 0;
  for (auto const& file : std::filesystem::directory_iterator(folder.path("all"))) {
    std::string const name = file.path().stem().string(), picture = content(file.path().string());
    INFO(name);
    CHECK((picture == content(docs + "/schedules/" + name + ".svg")));  // no text of both where they differ
    CHECK(picture.size() < 40'000);
    CHECK(has(text, "### " + name + "\n\n!["));
    CHECK(has(text, "](schedules/" + name + ".svg)\n"));
    ++drawn;
  }
  CHECK(drawn == std::distance(std::filesystem::directory_iterator(docs + "/schedules"), {}));
  program_result const table = folder.run(FOAL_PROGRAM, "--table --ranks 4 --microbatches 8");
  CHECK(table.status == 0);
  CHECK(has(text, table.text));
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

TEST_CASE("schedules: a plan, its runner-up and why", "[program]") {
  work_folder const folder("schedules_plan");
  program_result const r = folder.run(FOAL_PROGRAM,
                                      "--plan --ranks 4 --minibatch 16 --one-replica --latency 0.5 --overhead 0.2 "
                                      "--memory 20 --item-bytes 1,1,1 --bytes 1 --stage-costs 1,1,2,1,3,1,1,1,2,1 "
                                      "--json plan.json");
  INFO(r.text);
  REQUIRE(r.status == 0);
  CHECK(has(r.text, "best: zb_h1, 16 microbatches of 1 sample, 1 chunk on each of 4 ranks, 1 replica"));
  CHECK(has(r.text,
            "rank 0 works most, and is idle for 5.9 % of it, 12.6 between ops, the longest 11.6: to run B(stage 0, "
            "microbatch 0) on rank 0 it waits for B(stage 1, microbatch 0) on rank 1; rank 0 holds most, 18 bytes of 20"));
  CHECK(has(r.text, "items by stage: 0-2 | 3-4 | 5-7 | 8-9"));
  CHECK(has(r.text, "runner-up, 1.3 % slower: zb_auto, "));
  CHECK(has(r.text, "two_bp: 10 configurations would hold 54 bytes or more on a rank, which may hold 20"));
  auto const plan = nlohmann::json::parse(content(folder.path("plan.json")));
  CHECK(plan.at("best").at("schedule") == "zb_h1");
  CHECK(plan.at("best").at("time").get<double>() == Approx(214.2));
  CHECK(plan.at("best").at("stage_of_items").size() == 10);
  CHECK(plan.at("runner_up").at("time") >= plan.at("best").at("time"));
  CHECK(plan.at("all_groupings") == true);
  program_result const none = folder.run(FOAL_PROGRAM, "--plan --one-replica --keep-all --item-bytes 4,4,1 --memory 10");
  CHECK(none.status == 1);
  program_result const late = folder.run(
      FOAL_PROGRAM,
      "--plan --ranks 2 --minibatch 8 --one-replica --asynchronous --long-run --sends-block --bandwidth 2 --bytes 1");
  CHECK(late.status == 0);
  CHECK(has(late.text, "*: asynchronous, in the long run, whatever the delay does to what is learnt."));
  CHECK(
      has(none.text, "cannot plan 8 items on 4 ranks, because a rank may hold 10 bytes and whatever was tried needs more"));
}
