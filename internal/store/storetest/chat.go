package storetest

import "testing"

// RunChat checks what a store promises about chat data: store.Reader, store.Tx
// and store.Snapshot.
func RunChat(t *testing.T, open Open) {
	tests := map[string]func(t *testing.T, f *fixture){
		"Users":              testUsers,
		"Channels":           testChannels,
		"ChannelsTruncated":  testTruncation,
		"Members":            testMembers,
		"Reads":              testReads,
		"CountUnread":        testCountUnread,
		"MessagesOrder":      testMessagesOrder,
		"MessagesReplace":    testMessagesReplace,
		"MessagesKeep":       testMessagesKeep,
		"Threads":            testThreads,
		"ThreadsOutOfOrder":  testThreadsOutOfOrder,
		"Answered":           testAnswered,
		"Reactions":          testReactions,
		"ReactionsBy":        testReactionsBy,
		"Calls":              testCalls,
		"CallDetails":        testCallDetails,
		"DeleteCall":         testDeleteCall,
		"UnknownUsers":       testUnknownUsers,
		"UserMessagesIn":     testUserMessagesIn,
		"RenameUser":         testRenameUser,
		"DeleteNotes":        testDeleteNotes,
		"Loads":              testLoads,
		"Batches":            testBatches,
		"MessagesOf":         testMessagesOf,
		"Ranges":             testRanges,
		"Flags":              testFlags,
		"Pinned":             testPinned,
		"ChannelsOf":         testChannelsOf,
		"DeleteMember":       testDeleteMember,
		"DeleteMessage":      testDeleteMessage,
		"DeleteQuoted":       testDeleteQuoted,
		"PurgeMessages":      testPurgeMessages,
		"DeleteChannel":      testDeleteChannel,
		"DeleteLargeChannel": testDeleteLargeChannel,
		"History":            testHistory,
		"Pending":            testPending,
		"Marks":              testMarks,
		"Settings":           testSettings,
		"Unread":             testUnread,
		"Tenancy":            testTenancy,
		"Rollback":           testRollback,
		"SnapshotHolds":      testSnapshotHolds,
		"SnapshotInterrupt":  testSnapshotInterrupt,
		"Twins":              testTwins,
		"TwinsUnderWrites":   testTwinsUnderWrites,
		"ConcurrentUpdates":  testConcurrentUpdates,
		"ManyWriters":        testManyWriters,
		"NoLostUpdates":      testNoLostUpdates,
		"OneCreator":         testOneCreator,
		"CrossingWriters":    testCrossingWriters,
		"ConcurrentErasure":  testConcurrentErasure,
		"ViewCanceled":       testViewCanceled,
		"CountsMatchTheRows": testCounts,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newFixture(t, open(t).Store))
		})
	}
}
