package android.os;

/** What the example app uses of it. */
public final class Bundle {}
