// Package blob says how files are kept: finished exports, their manifests, and
// uploads for import. A file is written once, appears whole or not at all, and
// is handed out by a signed URL that expires.
//
// Keys are slash-separated paths of safe names, such as
// "exports/channels/KEY/TASK.jsonl"; [ValidKey] says which are allowed. The
// suite in blob/blobtest runs against every implementation.
package blob
