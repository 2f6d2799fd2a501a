// Forms of parameters: which a stage needs, of what, and for how long.
#include <foal/plan/forms.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;
using executor::forms_of;
using table::form;

/// Two stages of 64 and 32 parameters, of which B reads 48 and 16; the first one's B reads newer weights than its F.
table::run_tables tables() {
  table::run_tables t;
  t.types.weights = element::float64;
  t.compensates = true;
  t.policies.delay_needs_lag = true;
  t.stages.resize(2);
  t.stages[0].weight_elements = 64;
  t.stages[0].backward_elements = 48;
  t.stages[1].weight_elements = 32;
  t.stages[1].backward_elements = 16;
  t.phases.resize(1);
  t.phases[0].facts.stage.resize(2);
  for (auto& s : t.phases[0].facts.stage) s.head = -1;
  t.phases[0].facts.stage[0].tau_fwd = 1;
  return t;
}

}  // namespace

TEST_CASE("Without a policy that changes weights there is no form but the true one", "[plan]") {
  auto const t = tables();
  for (std::size_t s : {0U, 1U}) CHECK(forms_of(t, s).empty());
}

TEST_CASE("What B reads extrapolated is a packed form, where there is a lag", "[plan]") {
  auto t = tables();
  t.policies.backward_weight = [](table::weight_call const&) {};
  auto const forms = forms_of(t, 0);
  REQUIRE(forms.size() == 1);
  CHECK(forms[0].what == form::kind::extrapolated);
  CHECK(forms[0].when == form::derived::before_use);
  CHECK(forms[0].type == element::float64);
  CHECK(forms[0].packed);
  CHECK(forms[0].bytes() == 48 * 8);
  CHECK(forms_of(t, 1).empty());  // no lag

  t.phases[0].facts.stage[0].head = 0;  // R reads all, corrected
  auto const with = forms_of(t, 0);
  REQUIRE(with.size() == 2);
  CHECK(with[1].what == form::kind::predicted);
  CHECK(!with[1].packed);
  CHECK(with[1].bytes() == 64 * 8);

  t.phases[0].reads.one_version = true;  // B reads what its F read
  CHECK(forms_of(t, 0).empty());
}

TEST_CASE("What F reads predicted is a form of every parameter, also where B lags by nothing", "[plan]") {
  auto t = tables();
  t.policies.forward_weight = [](table::weight_call const&) {};
  t.policies.delay_needs_lag = false;
  for (std::size_t s : {0U, 1U}) {
    auto const forms = forms_of(t, s);
    REQUIRE(forms.size() == 1);
    CHECK(forms[0].what == form::kind::predicted);
    CHECK(forms[0].elements == t.stages[s].weight_elements);
  }
  CHECK(std::string(name(form::kind::predicted)) != name(form::kind::extrapolated));
}

TEST_CASE("A device's own form is of a stage whose weights its U alone writes", "[plan]") {
  auto t = tables();
  t.stages[0].parameters.resize(2);
  t.stages[0].parameters[0].what.extent = {2, {3, 7, 1, 1}};
  t.stages[0].parameters[1].what.extent = features(7);
  CHECK(executor::device_form(t, 0).elements == 0);  // the device has none
  t.device.form_type = element::bfloat16;
  t.device.form_elements = [](shape s) -> long long { return s.rank < 2 ? 0 : s.extent[0] * 8; };
  t.device.keep_forms = [](void*, void const*, std::size_t, void*, std::size_t) {};
  form const f = executor::device_form(t, 0);
  CHECK(f.when == form::derived::by_update);
  CHECK(f.bytes() == 3 * 8 * 2);
  CHECK(executor::device_form(t, 1).elements == 0);  // no parameters

  t.replicas = 2;
  CHECK(executor::device_form(t, 0).elements == 0);
  t.replicas = 1;
  t.stages[0].parameters[1].home_stage = 0;
  CHECK(executor::device_form(t, 0).elements == 0);
  t.stages[0].parameters[1].home_stage = -1;
  t.stages[0].parameters[1].kind = table::ownership::borrowed;
  CHECK(executor::device_form(t, 0).elements == 0);

  memory_plan plan(1);
  CHECK_FALSE(executor::plan_device_form(t, plan, 0, 0));
  t.stages[0].parameters[1].kind = table::ownership::trained;
  CHECK(executor::plan_device_form(t, plan, 0, 0) == 0U);
  CHECK(plan.entries().at(0).bytes >= 48);
  CHECK(plan.entries().at(0).type == element::bfloat16);
}
