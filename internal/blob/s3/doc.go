// Package s3 keeps files in a bucket of an S3-compatible object store and hands
// them out by presigned URLs, which lead to that store and not to this server.
//
// A file is written as one multipart upload: bytes are collected in a buffer
// until they fill a part, and a few parts are on their way at a time, so memory
// is bounded whatever the size. Completing the upload is what makes the file
// appear, whole; until then nothing of it can be seen. A file that fits in one
// part is a single PUT. Every object carries a random mark in its metadata, by
// which a writer knows its own object when the answer to its request was lost.
//
// Only plain requests with signature version 4 are made, so that look-alikes
// take them: no checksum trailers, no chunked signatures. The bytes of a
// request are guarded by Content-MD5 over TLS and by the signature without it.
// docs/storage.md says what each store needs.
//
// Requests that fail for reasons that pass are made again, with growing pauses,
// for as long as [Options] say; requests that nothing moves on are given up and
// count as failed. Times are those of the server, as its answers tell, so a
// clock that is off does no harm.
//
// minio-go is known to client.go and credentials.go only.
package s3
