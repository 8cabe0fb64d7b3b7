// Package clock is the time as the rest of Hansard sees it: what waits or
// expires takes a [Clock], so that its tests need not wait. The clock for tests
// is in clock/clocktest. [Linger] is for requests whose answer must be heard.
package clock
