// @aws-sdk/client-s3 and minio-js, each: put (buffer and stream), get, list, multipart, delete. Prints `ok` when all agreed.
// client.mjs FOLDER WHICH ENDPOINT USER PASSWORD
import {createRequire} from "node:module";
import {Readable} from "node:stream";
import assert from "node:assert/strict";

const [folder, which, endpoint, user, password] = process.argv.slice(2);
const load = createRequire(folder + "/package.json");
const small = Buffer.from("a few bytes"), large = Buffer.alloc(11 * 1024 * 1024, "0123456789abcdef");

async function gathered(stream) {
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    return Buffer.concat(pieces);
}

async function sdk() {
    const s3 = load("@aws-sdk/client-s3");
    const client = new s3.S3Client({endpoint: "http://" + endpoint, region: "us-east-1", forcePathStyle: true,
                                    credentials: {accessKeyId: user, secretAccessKey: password}});
    const Bucket = "aws-sdk";
    const send = (name, input) => client.send(new s3[name + "Command"]({Bucket, ...input}));
    await send("CreateBucket", {});
    await send("PutObject", {Key: "buffer", Body: small, ContentType: "text/plain"});
    await send("PutObject", {Key: "folder/stream", Body: Readable.from([large]), ContentLength: large.length});
    const got = await send("GetObject", {Key: "folder/stream", ChecksumMode: "ENABLED"});
    assert.deepEqual(await gathered(got.Body), large);
    const {UploadId} = await send("CreateMultipartUpload", {Key: "parts"});
    const Parts = [];
    for (let PartNumber = 1; PartNumber <= 2; ++PartNumber) {
        const part = await send("UploadPart", {Key: "parts", UploadId, PartNumber, Body: large});
        Parts.push({PartNumber, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32});
    }
    await send("CompleteMultipartUpload", {Key: "parts", UploadId, MultipartUpload: {Parts}});
    assert.equal((await send("HeadObject", {Key: "parts"})).ContentLength, 2 * large.length);
    const listed = await send("ListObjectsV2", {Delimiter: "/"});
    assert.deepEqual([listed.Contents.map((o) => o.Key), listed.CommonPrefixes.map((p) => p.Prefix)], [["buffer", "parts"], ["folder/"]]);
    await assert.rejects(send("PutObject", {Key: "buffer", Body: small, IfNoneMatch: "*"}), {name: "PreconditionFailed"});
    await send("DeleteObjects", {Delete: {Objects: ["buffer", "folder/stream", "parts"].map((Key) => ({Key}))}});
    await assert.rejects(send("GetObject", {Key: "buffer"}), {name: "NoSuchKey"});
    await send("DeleteBucket", {});
}

async function minio() {
    const {Client} = load("minio");
    const [endPoint, port] = endpoint.split(":");
    const client = new Client({endPoint, port: Number(port), useSSL: false, accessKey: user, secretKey: password, partSize: 5 * 1024 * 1024});
    await client.makeBucket("minio-js");
    await client.putObject("minio-js", "buffer", small, small.length, {"Content-Type": "text/plain"});
    await client.putObject("minio-js", "folder/parts", Readable.from([large]), large.length);
    assert.deepEqual(await gathered(await client.getObject("minio-js", "folder/parts")), large);
    assert.deepEqual(await gathered(await client.getPartialObject("minio-js", "buffer", 2, 3)), small.subarray(2, 5));
    const names = (await client.listObjectsV2("minio-js", "", true).toArray()).map((object) => object.name);
    assert.deepEqual(names, ["buffer", "folder/parts"]);
    await client.removeObjects("minio-js", names);
    await assert.rejects(client.statObject("minio-js", "buffer"), {code: "NotFound"});
    await client.removeBucket("minio-js");
}

await (which === "minio" ? minio() : sdk());
console.log("ok");
