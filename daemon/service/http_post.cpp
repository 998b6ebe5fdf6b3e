#include "daemon/service/http_post.h"

#include <array>
#include <curl/curl.h>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>

#include <unistd.h>

#include "daemon/confine.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

constexpr std::size_t longest_answer = 64U << 10U;

struct FreeCurl {
  void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, FreeCurl>;
using Headers = std::unique_ptr<curl_slist, FreeCurl>;

std::string standard_input() {
  std::string text;
  std::array<char, 65536> buffer{};
  for (ssize_t got = 0; (got = ::read(STDIN_FILENO, buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(got));
  return text;
}

/// Counts the answer, and ends the transfer when it is too long.
std::size_t ignore_answer(char*, std::size_t size, std::size_t count, void* total) {
  auto& bytes = *static_cast<std::size_t*>(total);
  bytes += size * count;
  return bytes > longest_answer ? 0 : size * count;
}

template <typename Value>
void set(const Handle& handle, CURLoption option, Value value) {
  if (::curl_easy_setopt(handle.get(), option, value) != CURLE_OK)
    throw std::runtime_error("libcurl lacks option " + std::to_string(option));
}

void set_up(const Handle& handle, const HttpPost& post) {
  set(handle, CURLOPT_URL, post.url.c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_PROXY, "");
  set(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  set(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  set(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(post.connect_timeout.count()));
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(post.timeout.count()));
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_USERAGENT, "peerstage/" PEERSTAGE_VERSION);
}

std::string send(const HttpPost& post, const std::string& document) {
  const Handle handle(::curl_easy_init());
  if (!handle) throw std::runtime_error("libcurl cannot be used");
  // No "Expect: 100-continue": servers that do not know it make us wait.
  Headers headers(::curl_slist_append(nullptr, "Content-Type: application/json"));
  headers.reset(::curl_slist_append(headers.release(), "Expect:"));
  std::size_t answer = 0;
  std::array<char, CURL_ERROR_SIZE> problem{};
  set_up(handle, post);
  set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(document.size()));
  set(handle, CURLOPT_POSTFIELDS, document.c_str());
  set(handle, CURLOPT_HTTPHEADER, headers.get());
  set(handle, CURLOPT_WRITEFUNCTION, &ignore_answer);
  set(handle, CURLOPT_WRITEDATA, &answer);
  set(handle, CURLOPT_ERRORBUFFER, problem.data());
  const CURLcode result = ::curl_easy_perform(handle.get());
  long status = 0;
  ::curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200 && status < 300) return {};  // taken, however long the answer is
  if (status != 0) return "the server answered with status " + std::to_string(status);
  return problem.front() != '\0' ? problem.data() : ::curl_easy_strerror(result);
}

}  // namespace

int post_from_standard_input(const HttpPost& post) {
  try {
    const std::string document = standard_input();
    Confinement confinement;
    confinement.supervisor = post.parent;
    confinement.user = post.user;
    confinement.network = Network::allowed;
    confinement.needs = reading_everything;
    confine(confinement);
    ::curl_global_init(CURL_GLOBAL_DEFAULT);
    const std::string problem = send(post, document);
    if (problem.empty()) return 0;
    std::cout << problem << std::endl;
  } catch (const std::exception& error) {
    std::cout << error.what() << std::endl;
  }
  return 1;
}

std::string shown_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return "a URL without a scheme";
  const std::string authority = url.substr(scheme + 3, url.find_first_of("/?#\\", scheme + 3) - scheme - 3);
  const std::size_t at = authority.rfind('@');
  return peers::printable(
      url.substr(0, scheme + 3) + (at == std::string::npos ? authority : authority.substr(at + 1)), 200);
}

}  // namespace peerstage::daemon
