package markdown

// For the tests: the way that every text could go, and the short cut.
var (
	FullHTML  = fullHTML
	TypedHTML = typedHTML
	IsPlain   = isPlain
)
