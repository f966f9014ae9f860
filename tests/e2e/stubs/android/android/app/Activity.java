package android.app;

import android.content.Context;
import android.os.Bundle;
import android.view.View;

/** What the example app uses of it. */
public class Activity extends Context {
    protected void onCreate(Bundle savedInstanceState) {}

    protected void onDestroy() {}

    public void setContentView(View view) {}

    public final void runOnUiThread(Runnable action) {
        action.run();
    }
}
