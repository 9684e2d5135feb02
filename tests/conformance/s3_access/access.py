"""Each check is a sentence about who gets in and with which code S3 says no."""
import base64
import hashlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.dirname(os.path.dirname(HERE))]
from branchbox import Report  # noqa: E402
from server import SECRET, USER, Server, code_of  # noqa: E402

BUCKET = "access"
ODD = "dir/a b+c&d=e~*'()!\u00e4\u20ac/x"
BOUNDARY = "xyzzy"


def form(fields, file=b"formdata", file_name="f.txt"):
    parts = "".join('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (BOUNDARY, n, v) for n, v in fields.items()).encode()
    if file is not None:
        parts += ('--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % (BOUNDARY, file_name)).encode() + file + b"\r\n"
    return parts + ("--%s--\r\n" % BOUNDARY).encode()


def signatures(server, report):
    for version, name in (("s3v4", "Version 4"), ("s3", "Version 2")):
        client = server.client(version)
        client.put_object(Bucket=BUCKET, Key=ODD, Body=b"hello", Metadata={"a": "x  y"}, Tagging="a=1&b=2")
        read = client.get_object(Bucket=BUCKET, Key=ODD)["Body"].read()
        listed = [o["Key"] for o in client.list_objects_v2(Bucket=BUCKET, Prefix="dir/")["Contents"]]
        report.check("%s: a key of odd characters is put, read and listed" % name, read == b"hello" and listed == [ODD], read, listed)
        url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": ODD, "ResponseContentType": "text/x; a=b"}, ExpiresIn=60)
        got = server.send("GET", url)
        report.check("%s: a presigned GET is answered" % name, got[0] == 200 and got[2] == b"hello", got)
        url = client.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "presigned"}, ExpiresIn=60)
        got = server.send("PUT", url, body=b"by url")
        report.check("%s: a presigned PUT is stored" % name, got[0] == 200 and client.get_object(Bucket=BUCKET, Key="presigned")["Body"].read() == b"by url", got)
        got = server.send("PUT", url, {"x-amz-acl": "public-read"}, b"more")
        report.check("%s: a header that was not signed is refused" % name, got[0] in (400, 403) and got[1] in ("AccessDenied", "SignatureDoesNotMatch"), got)
        got = server.send("DELETE", url)
        report.check("%s: another method than presigned is refused" % name, got[1] == "SignatureDoesNotMatch", got)
    report.check("any region is taken where none is configured", code_of(server.client(region="eu-west-9").list_buckets) == "")


def refusals(server, report):
    client = server.client()
    path = "/%s/kept" % BUCKET
    client.put_object(Bucket=BUCKET, Key="kept", Body=b"kept")
    sign = server.signed
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    chunked = {"x-amz-decoded-content-length": "5", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
    unsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    malformed = dict(sign("PUT", path, b"new"), Authorization="AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0")
    cases = [
        ("without a signature", "AccessDenied", 403, {}, b"new", None),
        ("with a wrong secret", "SignatureDoesNotMatch", 403, sign("PUT", path, b"new", secret="wrong secret"), b"new", None),
        ("of an unknown user", "InvalidAccessKeyId", 403, sign("PUT", path, b"new", user="nobody"), b"new", None),
        ("signed 16 minutes ago", "RequestTimeTooSkewed", 403, sign("PUT", path, b"new", minutes=-16), b"new", None),
        ("signed 16 minutes ahead", "RequestTimeTooSkewed", 403, sign("PUT", path, b"new", minutes=16), b"new", None),
        ("with a malformed Authorization", "AuthorizationQueryParametersError", 400, malformed, b"new", None),
        ("by Basic authentication", "InvalidRequest", 400, {"Authorization": "Basic eDp5"}, b"new", None),
        ("with another body than signed", "XAmzContentSHA256Mismatch", 400, sign("PUT", path, b"new"), b"NEW", None),
        ("with another Content-MD5", "BadDigest", 400, sign("PUT", path, b"new", {"Content-MD5": md5}), b"new", None),
        ("with a malformed Content-MD5", "InvalidDigest", 400, sign("PUT", path, b"new", {"Content-MD5": "x"}), b"new", None),
        ("with a hash that is none", "InvalidArgument", 400, sign("PUT", path, payload="deadbeef"), b"new", None),
        ("cut short", "IncompleteBody", 400, sign("PUT", path, payload="UNSIGNED-PAYLOAD"), b"new", 10),
        ("in chunks, cut short", "IncompleteBody", 400, sign("PUT", path, b"", chunked, payload=unsigned), b"5\r\nhel", 80),
        ("in chunks, of another length", "IncompleteBody", 400, sign("PUT", path, b"", chunked, payload=unsigned), b"3\r\nnew\r\n0\r\n\r\n", None),
        ("in chunks, with a malformed trailer", "MalformedTrailerError", 400, sign("PUT", path, b"", chunked, payload=unsigned),
         b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", None),
        ("with another tag set than S3 allows", "InvalidTag", 400, sign("PUT", path, b"new", {"x-amz-tagging": "a=1&a=2"}), b"new", None),
    ]
    for name, code, status, headers, body, length in cases:
        got = server.send("PUT", path, headers, body, length)
        report.check("a PUT %s is refused with %s" % (name, code), got[0] == status and got[1] == code, got)
    kept = client.get_object(Bucket=BUCKET, Key="kept")["Body"].read()
    report.check("what was refused has changed nothing", kept == b"kept", kept)
    got = server.send("PUT", path, sign("PUT", path, b"", chunked, payload=unsigned), b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n")
    report.check("chunks with their checksum behind them are stored", got[0] == 200 and client.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"hello", got)


def forms(server, report):
    headers = {"Content-Type": "multipart/form-data; boundary=" + BOUNDARY}
    for version, name in (("s3v4", "Version 4"), ("s3", "Version 2")):
        client = server.client(version)
        post = client.generate_presigned_post(BUCKET, "form/${filename}", Fields={"x-amz-meta-q": "1"}, ExpiresIn=60, Conditions=[
            ["starts-with", "$key", "form/"], {"x-amz-meta-q": "1"}, ["content-length-range", 1, 100]])

        def send(fields, **file):
            return server.send("POST", post["url"], headers, form(fields, **file))
        fields = post["fields"]
        got = send(fields)
        stored = client.get_object(Bucket=BUCKET, Key="form/f.txt")
        report.check("%s: a form within its policy is stored" % name, got[0] == 204 and stored["Body"].read() == b"formdata" and stored["Metadata"] == {"q": "1"}, got)
        for what, code, answer in (
                ("with another value than its policy says", "AccessDenied", send(dict(fields, **{"x-amz-meta-q": "2"}))),
                ("with a field more", "AccessDenied", send(dict({"acl": "public-read"}, **fields))),
                ("for another key", "AccessDenied", send(dict(fields, key="other/${filename}"))),
                ("with another policy", "SignatureDoesNotMatch", send(dict(fields, policy=base64.b64encode(b'{"expiration":"2099-01-01T00:00:00Z"}').decode()))),
                ("with too large a file", "EntityTooLarge", send(fields, file=b"f" * 101)),
                ("with an empty file", "EntityTooSmall", send(fields, file=b"")),
                ("without a chosen file", "MalformedPOSTRequest", send(fields, file_name="")),
                ("without a file", "InvalidArgument", send(fields, file=None))):
            report.check("%s: a form %s is refused with %s" % (name, what, code), answer[1] == code, answer)


def policies(server, report):
    client = server.client()

    def statement(effect, action, resource, **more):
        return dict({"Effect": effect, "Principal": {"AWS": ["*"]}, "Action": action, "Resource": "arn:aws:s3:::" + resource}, **more)

    def put(*statements):
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    def anonymous(method, path):
        return server.send(method, path)[0]
    report.check("without a policy anonymous reads nothing", anonymous("GET", "/%s/kept" % BUCKET) == 403)
    put(statement("Allow", ["s3:GetObject"], BUCKET + "/k*"), statement("Deny", ["s3:GetObject"], BUCKET + "/kx*"))
    client.put_object(Bucket=BUCKET, Key="kx", Body=b"x")
    report.check("a policy opens what it names to anonymous", anonymous("GET", "/%s/kept" % BUCKET) == 200)
    report.check("and nothing else", [anonymous("GET", "/%s/presigned" % BUCKET), anonymous("GET", "/" + BUCKET), anonymous("PUT", "/%s/kept" % BUCKET),
                                      anonymous("DELETE", "/%s/kept" % BUCKET), anonymous("GET", "/")] == [403] * 5)
    report.check("Deny wins over Allow, root reads on", anonymous("GET", "/%s/kx" % BUCKET) == 403 and code_of(client.get_object, Bucket=BUCKET, Key="kx") == "")
    put(statement("Allow", "s3:GetObject", BUCKET + "/*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))
    report.check("a network that is not the client's keeps it out", anonymous("GET", "/%s/kept" % BUCKET) == 403)
    put(statement("Allow", "s3:GetObject", BUCKET + "/*", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}))
    report.check("one that is lets it in", anonymous("GET", "/%s/kept" % BUCKET) == 200)
    got = server.send("GET", "/%s/kept" % BUCKET, {"X-Forwarded-For": "192.0.2.1", "X-Real-Ip": "192.0.2.1"})
    put(statement("Allow", "s3:GetObject", BUCKET + "/*", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))
    spoofed = server.send("GET", "/%s/kept" % BUCKET, {"X-Forwarded-For": "192.0.2.1", "X-Real-Ip": "192.0.2.1"})
    report.check("who a client says it forwards for does not count", got[0] == 200 and spoofed[0] == 403, got, spoofed)
    put(statement("Allow", "s3:ListBucket", BUCKET, Condition={"StringEquals": {"s3:prefix": "dir/"}}))
    report.check("a list is allowed for its prefix alone", [anonymous("GET", "/%s?list-type=2&prefix=dir/" % BUCKET), anonymous("GET", "/%s?list-type=2" % BUCKET)] == [200, 403])
    before = client.get_bucket_policy(Bucket=BUCKET)["Policy"]
    for text in ("{", "[]", '{"Version":"1999-01-01","Statement":[]}', json.dumps({"Statement": [statement("Allow", "s3:GetObject", "other/*")]}),
                 json.dumps({"Statement": [statement("Allow", "s3:Nothing", BUCKET + "/*")]}),
                 json.dumps({"Statement": [statement("Maybe", "s3:GetObject", BUCKET + "/*")]})):
        code = code_of(client.put_bucket_policy, Bucket=BUCKET, Policy=text)
        report.check("a policy that is none is refused: %s" % text[:60], code == "MalformedPolicy", code)
    report.check("and the one before stays", client.get_bucket_policy(Bucket=BUCKET)["Policy"] == before)
    client.delete_bucket_policy(Bucket=BUCKET)
    report.check("without it anonymous is out again", anonymous("GET", "/%s?list-type=2&prefix=dir/" % BUCKET) == 403)


def main():
    report = Report("s3 access")
    with Server() as server:
        server.client().create_bucket(Bucket=BUCKET)
        for part in (signatures, refusals, forms, policies):
            part(server, report)
    report.end()


main()
