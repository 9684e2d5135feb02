// What an answer of the S3 service upstream means for the change that was sent. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace services::objects::replication {

enum class Meaning : std::uint8_t {
    taken,
    no_bucket,    // the bucket is not there: it may be made
    absent,       // no such key, version or upload
    refused,      // this change will not be taken as it is
    denied,       // not allowed: of this change, or of all
    bucket_full,  // a quota there: room may be made
    not_now,      // the service as a whole: it is left alone for a while
};

struct Answer {
    Meaning meaning = Meaning::taken;
    std::string reason;  // "503 SlowDown: Please reduce your request rate"; "" when taken
};

// `body`: of an answer that is no success, as far as it was read (XML; empty for HEAD). A 200 whose body is an <Error>
// (CompleteMultipartUpload, CopyObject) is that error.
Answer answer_of(unsigned status, std::string_view body);

}  // namespace services::objects::replication
