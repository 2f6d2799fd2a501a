// The calls of NVTX that foal makes, as the emulation answers them: a tool that listens.
#pragma once

#include <cstdint>

using nvtxDomainHandle_t = struct nvtxDomainRegistration_st*;
using nvtxStringHandle_t = struct nvtxStringRegistration_st*;

inline constexpr std::uint16_t NVTX_VERSION = 3;
inline constexpr int NVTX_MESSAGE_TYPE_REGISTERED = 3;
inline constexpr int NVTX_PAYLOAD_TYPE_INT64 = 2;

union nvtxMessageValue_t {
  char const* ascii;
  nvtxStringHandle_t registered;
};
struct nvtxEventAttributes_t {
  std::uint16_t version, size;
  std::uint32_t category;
  std::int32_t colorType;
  std::uint32_t color;
  std::int32_t payloadType, reserved0;
  union {
    std::uint64_t ullValue;
    std::int64_t llValue;
  } payload;
  std::int32_t messageType;
  nvtxMessageValue_t message;
};
inline constexpr std::uint16_t NVTX_EVENT_ATTRIB_STRUCT_SIZE = sizeof(nvtxEventAttributes_t);

nvtxDomainHandle_t nvtxDomainCreateA(char const* name);
void nvtxDomainDestroy(nvtxDomainHandle_t domain);
nvtxStringHandle_t nvtxDomainRegisterStringA(nvtxDomainHandle_t domain, char const* string);
int nvtxDomainRangePushEx(nvtxDomainHandle_t domain, nvtxEventAttributes_t const* attributes);
int nvtxDomainRangePop(nvtxDomainHandle_t domain);
