// Package s3test gives tests a real S3 server.
//
// It is versitygw, whose version tools/go.mod pins: compiled into Go's build
// cache, run with a temporary folder, random credentials and a free port of
// the loopback interface. One server is shared by all tests of a process, and
// each test has a bucket of its own ([New]); a test that stops and starts the
// server has one for itself ([Start]). A [Proxy] in front of a server makes
// faults.
//
// A package that uses [New] hands its TestMain to [Main]. HANSARD_TEST_S3 names
// another server to use instead, as http://ACCESS-KEY:SECRET@HOST:PORT?region=…;
// tests with a server of their own use versitygw all the same. Where it cannot
// be had those tests are skipped, and fail if CI=true.
package s3test
