package android.widget;

import android.content.Context;

/** What the example app uses of it. */
public class Button extends TextView {
    public Button(Context context) {
        super(context);
    }
}
