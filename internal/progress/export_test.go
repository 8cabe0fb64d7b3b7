package progress

// NewGroup is New with a clock of one's own.
var NewGroup = newGroup
