// examples/delay_lab: rows of a run without delay and with, a run that goes on after it was stopped, every net.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/report/markup.hpp"
#include "tests/support/program.hpp"

using foal::test::program_result;
using foal::test::work_folder;

namespace {

std::string bytes_of_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

nlohmann::json rows_of_run(work_folder const& folder, std::string const& arguments) {
  program_result const r = folder.run(FOAL_PROGRAM, "--json rows.json --jobs 1 " + arguments);
  INFO(r.text);
  REQUIRE(r.status == 0);
  return nlohmann::json::parse(bytes_of_file(folder.path("rows.json")));
}

}  // namespace

TEST_CASE("delay_lab: two methods, two rates, and the same rows from a run that was stopped", "[program]") {
  work_folder const folder("delay_lab");
  std::string const arguments =
      "--nets quadratic --methods momentum,muon-ahead-t2 --profiles 1f1b-4,pipemare-4x2 --updates 40 --seeds 2 --rates 2 "
      "--html page.html";
  auto const rows = rows_of_run(folder, arguments);
  CHECK(rows.size() == 12);  // momentum and Muon without delay, each method under each profile; two seeds of each
  std::set<std::string> combinations;
  for (auto const& row : rows) {
    combinations.insert(row.at("method").get<std::string>() + " " + row.at("profile").get<std::string>());
    CHECK(row.at("net") == "quadratic");
    CHECK(row.at("rate") > 0);
    CHECK((row.at("seed") == 1 || row.at("seed") == 2));
    CHECK((row.at("ratio").is_null() || row.at("ratio") > 0));
    CHECK((row.at("final_loss").is_null() || row.at("final_loss").is_number()));
    CHECK((row.at("diverged_at").is_null() || row.at("diverged_at") >= 0));
    bool const without = row.at("profile") == "none";
    CHECK(row.at("max_tau") == (without ? 0 : row.at("profile") == "1f1b-4" ? 3 : 3.5));
    if (without) CHECK(row.at("ratio") == 1);
    if (row.at("method") == "momentum") CHECK(row.at("bytes_relative") == 3);
  }
  CHECK(combinations == std::set<std::string>{"momentum none", "muon none", "momentum 1f1b-4", "momentum pipemare-4x2",
                                              "muon-ahead-t2 1f1b-4", "muon-ahead-t2 pipemare-4x2"});
  CHECK(bytes_of_file(folder.path("page.html")).find("Steps relative to no delay") != std::string::npos);

  // Killed in the middle of a line, some lines before the end.
  std::string const path = folder.path("delay_lab.jsonl"), whole = bytes_of_file(path);
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; (at = whole.find('\n', at)) != std::string::npos; ++at) ends.push_back(at);
  REQUIRE(ends.size() > 6);
  std::ofstream(path, std::ios::binary) << whole.substr(0, ends[ends.size() - 5] + 30);
  CHECK(rows_of_run(folder, arguments) == rows);
  std::string const again = bytes_of_file(path);
  CHECK(static_cast<std::size_t>(std::count(again.begin(), again.end(), '\n')) == ends.size() + 1);  // of the half line
  CHECK(rows_of_run(folder, arguments) == rows);
  CHECK(bytes_of_file(path) == again);  // nothing was run
}

TEST_CASE("delay_lab: every net trains late", "[program]") {
  work_folder const folder("delay_lab_nets");
  auto const rows = rows_of_run(
      folder, "--nets noisy,mlp,gpt,digits --methods muon-one-delta --profiles 1f1b-8 --updates 2 --seeds 1 --rates 1");
  CHECK(rows.size() == 8);
  for (auto const& row : rows) {
    CHECK(row.at("max_tau") == (row.at("profile") == "none" ? 0 : 7));
    CHECK(row.at("final_loss").is_number());
  }
}

TEST_CASE("delay_lab: noise counts, and less of it in larger minibatches", "[program]") {
  work_folder const folder("delay_lab_noise");
  auto const last = [&](std::string const& arguments) {
    auto const rows = rows_of_run(folder, arguments + " --methods muon --profiles 1f1b-8 --updates 200 --seeds 1 --rates 1");
    REQUIRE(rows.size() == 2);
    return rows.at(0).at("final_loss").get<double>();
  };
  double const none = last("--nets quadratic"), all = last("--nets noisy"), less = last("--nets noisy --enlarged 16");
  CHECK(none < less);
  CHECK(less < all);
  CHECK(last("--nets noisy") == all);  // and is another run, of another name in the file
}
