package android.widget;

import android.content.Context;

/** What the example app uses of it. */
public class EditText extends TextView {
    public EditText(Context context) {
        super(context);
    }
}
